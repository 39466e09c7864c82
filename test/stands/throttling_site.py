"""A video site on loopback that throttles as large sites do: open or large requests trickle, small ranges run at full speed.

    with ThrottlingSite(folder) as site:
        site.page_url("clip.mp4")        # a page with a <video> tag, as yt-dlp's generic extractor reads it
        site.url("clip.mp4")             # the file itself
        site.kill(); site.revive()       # every open answer is cut, and connections are refused; the same port again
        site.cut_every = 5               # every fifth answer of media breaks off in its middle
        site.bytes_per_second = 500_000  # the speed of ranges; None for no limit
        site.die_after["clip.mp4"] = 0.5 # from this part of the file on nothing is served
        site.ranges = False              # ranges are ignored: the whole file is sent, at full speed

What a request without an end, or for more than 10 MiB, gets: a little at once, then 40 kB/s.
"""

from __future__ import annotations

import html
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

LARGEST_RANGE = 10 * 2**20
SLOW_BYTES_PER_SECOND = 40_000
AT_ONCE_BYTES = 150_000
_PIECE = 16_384
_TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".m4a": "audio/mp4", ".ts": "video/mp2t"}


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaRequest:
    """One request for a file, as it came in."""

    name: str
    range: str
    agent: str
    monotonic: float


@dataclass(kw_only=True)
class _Faults:
    bytes_per_second: float | None = None
    cut_every: int = 0
    ranges: bool = True
    states_length: bool = True
    die_after: dict[str, float] = field(default_factory=dict)


class ThrottlingSite(_Faults):
    """The server; a context manager. Every attribute may be changed while it serves."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.requests: list[MediaRequest] = []
        self.dead = threading.Event()
        self._answers = 0
        self._lock = threading.Lock()
        self._port = 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.revive()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._server is not None

    def url(self, name: str) -> str:
        """The address of a file."""
        return f"http://127.0.0.1:{self._port}/{name}"

    def page_url(self, name: str) -> str:
        """The address of the page whose video is that file."""
        return f"http://127.0.0.1:{self._port}/watch/{name}"

    def kill(self) -> None:
        """Cut every answer, and refuse connections."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        self._server = None
        self.dead.set()
        server.shutdown()
        server.server_close()
        thread.join()

    def revive(self) -> None:
        """Serve at the same address (again)."""
        self.dead.clear()
        server = _Server(("127.0.0.1", self._port), _Answer)
        server.site = self
        self._port = int(server.server_address[1])
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="throttling-site", daemon=True)
        self._server = server
        self._thread.start()

    def media_requests(self, name: str) -> list[MediaRequest]:
        """Every request for one file so far, oldest first."""
        with self._lock:
            return [one for one in self.requests if one.name == name]

    def took(self, request: MediaRequest) -> bool:
        """Keep a request; True if its answer is one that breaks off."""
        with self._lock:
            self.requests.append(request)
            self._answers += 1
            return self.cut_every > 0 and self._answers % self.cut_every == 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    site: ThrottlingSite


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Requests are kept, not printed."""

    def do_HEAD(self) -> None:
        """As GET, without a body."""
        self.do_GET()

    def do_GET(self) -> None:
        """A page, or a file or a part of it."""
        name = urlsplit(self.path).path.lstrip("/")
        page = name.startswith("watch/")
        path = self.server.site.folder / name.removeprefix("watch/")
        if not path.is_file():
            self._short(404, b"")
        elif page:
            self._page(path.name)
        else:
            self._file(path, name)

    def _page(self, name: str) -> None:
        title = html.escape(Path(name).stem)
        kind = _TYPES.get(Path(name).suffix, "video/mp4")
        body = f"<!doctype html><html><head><title>{title}</title></head><body><video controls>"
        body += f'<source src="/{html.escape(name)}" type="{kind}"></video></body></html>'
        self._short(200, body.encode())

    def _short(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self, path: Path, name: str) -> None:
        site, size = self.server.site, path.stat().st_size
        asked = self.headers.get("Range", "")
        agent = self.headers.get("User-Agent", "")
        cut = site.took(MediaRequest(name=name, range=asked, agent=agent, monotonic=time.monotonic()))
        match = re.match(r"bytes=(\d+)-(\d*)", asked) if site.ranges else None
        first = int(match[1]) if match else 0
        last = min(int(match[2]) if match and match[2] else size - 1, size - 1)
        if first >= size:
            self._short(416, b"")
            return
        self.send_response(206 if match else 200)
        self.send_header("Content-Type", _TYPES.get(path.suffix, "application/octet-stream"))
        if site.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if match:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        if site.states_length:
            self.send_header("Content-Length", str(last - first + 1))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        slow = site.ranges and not (match and match[2] and last - first < LARGEST_RANGE)
        end = first + (last - first + 1) // 2 if cut else last + 1
        dies_at = round(size * site.die_after[name]) if name in site.die_after else size
        try:
            self._send(path, first, min(end, max(first, dies_at)), slow=slow)
        except OSError:
            self.close_connection = True  # the reader has gone, as it may
        if min(end, dies_at) <= last:
            self.close_connection = True

    def _send(self, path: Path, first: int, end: int, *, slow: bool) -> None:
        site, sent = self.server.site, 0
        with path.open("rb") as file:
            file.seek(first)
            while first + sent < end:
                if site.dead.is_set():
                    self.close_connection = True
                    self.connection.close()
                    return
                data = file.read(min(_PIECE, end - first - sent))
                self.wfile.write(data)
                sent += len(data)
                speed = SLOW_BYTES_PER_SECOND if slow and sent > AT_ONCE_BYTES else site.bytes_per_second
                if speed is not None and site.dead.wait(len(data) / speed):
                    continue
