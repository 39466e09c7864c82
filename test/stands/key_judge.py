"""The HTTP server that nginx-rtmp asks on every `publish` whether the key is right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

from stands.http_server import QuietHandler, http_server


@dataclass(kw_only=True)
class KeyJudge:
    """What tests see of it."""

    port: int = 0
    asked: dict[str, list[float]] = field(default_factory=dict)
    """For each key the monotonic times at which it was asked for."""

    @property
    def directive(self) -> str:
        """For the application's block of nginx."""
        return f"on_publish http://127.0.0.1:{self.port}/;"


@contextmanager
def key_judge(right: Callable[[str], bool]) -> Iterator[KeyJudge]:
    """Every key that is not `right` gets a 403."""
    judge = KeyJudge()

    class Handler(QuietHandler, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            key = parse_qs(body)["name"][0]
            judge.asked.setdefault(key, []).append(time.monotonic())
            self.send_response(200 if right(key) else 403)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with http_server(Handler, name="key-judge") as judge.port:
        yield judge
