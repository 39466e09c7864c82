"""A loopback site that is called: keeps each request with its body, and answers, refuses or hangs as configured."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from stands.http_server import QuietHandler, http_server


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    monotonic: float

    @property
    def message(self) -> dict[str, Any]:
        """What Apprise's json:// sends."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(kw_only=True)
class CalledSite:
    """What tests see of it."""

    port: int = 0
    status: int = 200
    """The answer to every request."""
    calls: list[Call] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    """Set: requests are kept and never answered."""
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def texts(self) -> list[str]:
        """The bodies of the messages that came."""
        return [call.message["message"] for call in list(self.calls)]


@contextmanager
def called_site(tls: ssl.SSLContext | None = None) -> Iterator[CalledSite]:
    """A site on a free port of 127.0.0.1."""
    site = CalledSite()

    class Handler(_Handler):
        served_site = site

    with http_server(Handler, name="called-site", tls=tls, ending=site.closing.set) as site.port:
        yield site


class _Handler(QuietHandler, BaseHTTPRequestHandler):
    served_site: CalledSite

    def handle(self) -> None:
        """One connection; a client that breaks it, as one that does not trust us, is no error of the site."""
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        """Keep it and answer as configured."""
        site = self.served_site
        site.calls.append(
            Call(
                method=self.command,
                path=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("Content-Length", "0"))),
                monotonic=time.monotonic(),
            )
        )
        if site.hanging.is_set():
            site.closing.wait()
            return
        self.send_response(site.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - named by http.server
