"""An HTTP server on loopback with a handler of the test's own."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietHandler(BaseHTTPRequestHandler):
    """Prints no request."""

    def log_message(self, *_: object) -> None:
        """Requests are recorded, not printed."""


@contextmanager
def http_server(
    handler: Callable[..., BaseHTTPRequestHandler],
    *,
    name: str,
    tls: ssl.SSLContext | None = None,
    ending: Callable[[], None] = lambda: None,
) -> Iterator[int]:
    """Serve on a free port of 127.0.0.1, which is yielded; `ending` lets go of requests that hang."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name=name)
    thread.start()
    try:
        yield server.server_port
    finally:
        ending()
        server.shutdown()
        thread.join()
        server.server_close()
