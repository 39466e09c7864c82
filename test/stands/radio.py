"""A radio on loopback: endless sound without a length, with titles in it as Icecast sends them, and every way it breaks.

with Radio(clip) as radio:            # an .mp3 or .ts, sent from its present on, in real time, to each visitor
    radio.title = "Artist - Song"     # what plays from now on
    radio.drop()                      # closes every connection, as a server that restarts does
    radio.url; radio.requests
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

_INTERVAL = 4000
_STEP_SECONDS = 0.1


class Radio:
    """The server; a context manager."""

    def __init__(
        self, clip: Path, *, seconds: float, kind: str = "audio/mpeg", icy: bool = True, burst: float = 2.0
    ) -> None:
        """`seconds`: how long the clip plays; `burst`: how many seconds of it a visitor gets at once."""
        self.clip, self.kind, self.icy, self.burst = clip.read_bytes(), kind, icy, burst
        self.bytes_per_second = len(self.clip) / seconds
        self.title = "First - Song"
        self.raw_title: bytes | None = None
        self.requests: list[float] = []
        self.closes_after_bytes: int | None = None
        self.began = time.monotonic()
        self.generation = 0
        self.refuses = False
        self._server = _Server(("127.0.0.1", 0), _Answer)
        self._server.radio = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it is heard."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/radio"

    def drop(self) -> None:
        """Close every connection."""
        self.generation += 1

    def text(self) -> bytes:
        """The block of text with the title now."""
        said = b"StreamTitle='" + (self.raw_title or self.title.encode()) + b"';StreamUrl='';"
        blocks = -(-len(said) // 16)
        return bytes([blocks]) + said.ljust(blocks * 16, b"\0")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    radio: Radio


class _Answer(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        radio = self.server.radio
        radio.requests.append(time.monotonic())
        if radio.refuses:
            self.send_error(503)
            return
        titled = radio.icy and self.headers.get("Icy-MetaData") == "1"
        self.send_response(200)
        self.send_header("Content-Type", radio.kind)
        if radio.icy:
            self.send_header("icy-name", "Test Radio")
        if titled:
            self.send_header("icy-metaint", str(_INTERVAL))
        self.end_headers()
        with suppress(OSError):
            self._play(radio, titled=titled)

    def _play(self, radio: Radio, *, titled: bool) -> None:
        generation, sent = radio.generation, 0
        joined = time.monotonic()
        first = int((joined - radio.began) * radio.bytes_per_second)
        first -= first % 188 if radio.kind == "video/mp2t" else 0
        said = b""
        while radio.generation == generation:
            until = int((time.monotonic() - joined + radio.burst) * radio.bytes_per_second)
            while sent < until:
                size = min(until - sent, _INTERVAL - sent % _INTERVAL)
                at = (first + sent) % len(radio.clip)
                data = radio.clip[at : at + size]
                self.wfile.write(data)
                sent += len(data)
                if titled and sent % _INTERVAL == 0:
                    text = radio.text()
                    self.wfile.write(b"\0" if text == said else text)
                    said = text
                if radio.closes_after_bytes is not None and sent >= radio.closes_after_bytes:
                    return
            time.sleep(_STEP_SECONDS)

    def log_message(self, *_: object) -> None:
        """Silent."""
