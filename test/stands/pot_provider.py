"""A provider of YouTube's PO tokens on loopback, which speaks the protocol of the plugin bgutil."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GIVEN = base64.urlsafe_b64encode(bytes(range(90))).decode()
"""The token that it gives to everybody."""


class Provider:
    """A provider of PO tokens that speaks the plugin's protocol."""

    def __init__(self, version: str) -> None:
        self.asked: list[dict[str, Any]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({"server_uptime": 1, "version": version})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.asked.append(body)
                self._answer({"poToken": GIVEN, "contentBinding": body["content_binding"]})

            def _answer(self, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def end(self) -> None:
        """Answer nobody: the port is closed."""
        self._server.server_close()

    @contextmanager
    def serving(self) -> Iterator[Provider]:
        """Answers within the block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
