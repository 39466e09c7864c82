"""A server that states no length, knows no range, and closes at the end of its one file."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class BeginsAgain(ThreadingHTTPServer):
    """States no length, knows no range, and closes at the end of the file."""

    def __init__(self, file: Path, kind: str) -> None:
        server = self
        self.count = 0

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.count += 1
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(file.read_bytes())

            def log_message(self, *_: object) -> None:
                """Silent."""

        super().__init__(("127.0.0.1", 0), Answer)
        self.daemon_threads = True
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
