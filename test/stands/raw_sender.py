"""Sends the bytes of an MPEG-TS to a live address as they are, with whatever its timestamps do, in real time and in a loop."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stands.numbered import any_ffmpeg

_STEP_SECONDS = 0.05


@contextmanager
def sending_bytes(path: Path, url: str, *, seconds: float) -> Iterator[None]:
    """Send `path`, which plays for so many `seconds`, to `url` as long as the block lasts; a lost connection begins again."""
    command = [any_ffmpeg(), "-nostdin", "-loglevel", "error", "-f", "data", "-i", "pipe:0", "-map", "0", "-c", "copy"]
    ended = threading.Event()
    sender = _Sender([*command, "-f", "data", url], path.read_bytes(), seconds, ended)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()


class _Sender(threading.Thread):
    def __init__(self, command: list[str], data: bytes, seconds: float, ended: threading.Event) -> None:
        super().__init__(name="raw-sender", daemon=True)
        self._command, self._data, self._ended = command, data, ended
        self._size = 188 * max(1, round(len(data) * _STEP_SECONDS / seconds / 188))
        self._pause = seconds * self._size / len(data)
        self._at = 0

    def run(self) -> None:
        """Send until the end."""
        while not self._ended.is_set():
            process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
            with suppress(OSError):
                self._send(process)
            process.kill()
            with suppress(OSError):
                process.communicate()

    def _send(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        while not self._ended.wait(self._pause):
            process.stdin.write(self._data[self._at : self._at + self._size])
            process.stdin.flush()
            self._at += self._size
            if self._at >= len(self._data):
                self._at = 0
