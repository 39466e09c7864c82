"""A loopback HTTP server of one folder that answers ranges, records its requests, and fails as configured."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from stands.http_server import QuietHandler, http_server


@dataclass(kw_only=True)
class FileServer:
    """What tests see of the server."""

    folder: Path
    address: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path with query, and headers in lower case, of each request."""
    valid_key: str | None = None
    """Only requests with `?key=` of this value are answered; others get 403."""
    stop_after: int | None = None
    """Every answer says nothing more after this many bytes of the file, and stays open."""
    cut_after: int | None = None
    """Every answer closes after this many bytes of the file."""
    sends_parts: bool = True
    """It answers ranges."""
    begins_after_seconds: float = 0.0
    """Every answer lets so long wait for its head."""
    released: threading.Event = field(default_factory=threading.Event)
    """Ends the answers that stay open."""

    def url(self, name: str) -> str:
        """Where a file of the folder is."""
        return f"{self.address}/{name}"


@contextmanager
def file_server(folder: Path) -> Iterator[FileServer]:
    """Serve `folder` on a free port of 127.0.0.1."""
    state = FileServer(folder=folder)

    class Handler(_Handler):
        server_state = state

    with http_server(Handler, name="file-server", ending=state.released.set) as port:
        state.address = f"http://127.0.0.1:{port}"
        yield state


class _Handler(QuietHandler, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: FileServer

    def do_GET(self) -> None:
        """One file, or a part of it."""
        state = self.server_state
        state.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        state.released.wait(state.begins_after_seconds)
        name, _, query = self.path.partition("?")
        path = state.folder / name.lstrip("/")
        if state.valid_key is not None and f"key={state.valid_key}" not in query:
            self._refuse(403)
        elif not path.is_file():
            self._refuse(404)
        else:
            self._send(path.read_bytes())

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, data: bytes) -> None:
        state = self.server_state
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if state.sends_parts else None
        first = int(asked[1]) if asked else 0
        last = int(asked[2]) if asked and asked[2] else len(data) - 1
        if first >= len(data):
            self._refuse(416)
            return
        self.send_response(206 if asked else 200)
        if state.sends_parts:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last + 1 - first))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        limit = min(one for one in (state.stop_after, state.cut_after, len(data)) if one is not None)
        try:
            self.wfile.write(data[first : min(last + 1, limit)])
            if limit <= last and state.stop_after is not None:
                state.released.wait()
        except OSError:
            self.close_connection = True  # the reader has gone, as it may
        if limit <= last:
            self.close_connection = True
