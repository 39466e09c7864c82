"""The HTTP server that nginx-rtmp asks on every `publish` whether the key is right."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs


class KeyJudge:
    """A context in which every key that is not `right` gets a 403; give nginx `directive`."""

    def __init__(self, right: Callable[[str], bool]) -> None:
        self.asked: dict[str, list[float]] = {}
        """For each key the monotonic times at which it was asked for."""
        judge = self

        class _Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                key = parse_qs(body)["name"][0]
                judge.asked.setdefault(key, []).append(time.monotonic())
                self.send_response(200 if right(key) else 403)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's own name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def directive(self) -> str:
        """For the application's block of nginx."""
        return f"on_publish http://127.0.0.1:{self._server.server_port}/;"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
