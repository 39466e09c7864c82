"""An HTTP proxy on loopback with a password, the only way to the host `videos.invalid`, which no name server knows."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from stands.http_server import QuietHandler, http_server

HOST = "videos.invalid"
USER, PASSWORD = "me", "PROXY-SECRET"


@dataclass(kw_only=True)
class HttpProxy:
    """What tests see of it."""

    port: int = 0
    carried: list[tuple[str, str]] = field(default_factory=list)
    """Path and user agent of each request that it let through."""
    refuses: str = ""
    """What a site refuses to those who come through it: the path is answered with 403."""

    @property
    def url(self) -> str:
        """What belongs into a setting."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"


@contextmanager
def http_proxy(site_port: int) -> Iterator[HttpProxy]:
    """A proxy for whose clients `videos.invalid` is the site on `site_port` of 127.0.0.1."""
    state = HttpProxy()

    class Handler(_Handler):
        proxy = state
        port = site_port

    with http_server(Handler, name="http-proxy") as state.port:
        yield state


class _Handler(QuietHandler, BaseHTTPRequestHandler):
    proxy: HttpProxy
    port: int

    def do_GET(self) -> None:
        """Hand the request on, and the answer back."""
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Proxy-Authorization") != f"Basic {wanted}":
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        parts = urlsplit(self.path)
        if parts.hostname != HOST:
            self.send_error(502)
            return
        if parts.path == self.proxy.refuses:
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.proxy.carried.append((parts.path, self.headers.get("User-Agent", "")))
        site = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        site.request(self.command, parts._replace(scheme="", netloc="").geturl(), headers=headers)
        answer = site.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "server", "date"}:
                self.send_header(name, value)
        self.end_headers()
        try:
            while self.command != "HEAD" and (data := answer.read(16384)):
                self.wfile.write(data)
        except OSError:
            self.close_connection = True  # the reader has gone, as it may
        site.close()

    def do_HEAD(self) -> None:
        """The same without the body."""
        self.do_GET()
