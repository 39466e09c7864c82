"""The window of an item that is larger than the spool: it moves through the files with the feed that reads them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from tg_video_streamer.resolve.growing import GrowingFile, GrowthState
from tg_video_streamer.spool.containers import ENOUGH_BYTES, needs_its_end

HEAD_BYTES = 16_000_000
"""The start of a file stays: a probe reads it, and a container without an end describes itself there."""
LEAST_BYTES = 8_000_000
"""A smaller window is none: a feed begins with some megabytes."""
AGAIN_SECONDS = 15.0
"""A feed that failed reads it again within so long; what comes later is another play, which begins at the start."""
_AHEAD_PART, _AGAIN_PART, _KEPT_PART = 0.5, 0.3, 0.2
_PUNCH_HOLE = 0x03
"""FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE."""


class Window:
    """How far the download of one item may be ahead of its feed, and what is dropped behind it."""

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes`: of the whole spool."""
        moving = max(0, max_bytes - HEAD_BYTES)
        self.ahead_bytes = round(_AHEAD_PART * moving)
        """The download pauses when it is so far ahead."""
        self._again_bytes = round(_AGAIN_PART * moving)
        self._kept_bytes = round(_KEPT_PART * moving)
        self._read_at: float | None = None

    @property
    def makes_sense(self) -> bool:
        """Whether the spool is large enough for one."""
        return self._again_bytes >= LEAST_BYTES

    def wants_more(self, files: Sequence[GrowingFile], *, downloading: bool) -> bool:
        """Whether the download should run: until it is far ahead, and again when the feed has come nearer."""
        ahead = [(one.size - one.read_bytes, one.state is GrowthState.WHOLE) for one in files]
        # Of picture and sound, the shorter one decides: the other may have been faster.
        starving = any(size < 2 * ENOUGH_BYTES and not whole for size, whole in ahead)
        limit = self.ahead_bytes if downloading or starving else self._again_bytes
        return sum(size for size, _ in ahead) < limit

    def needs_its_end(self, files: Sequence[GrowingFile]) -> bool:
        """Whether one of the files cannot be read through a window. Reads their heads."""
        return any(needs_its_end(one.path, one.size) for one in files)

    def drops(self, files: Sequence[GrowingFile]) -> list[tuple[GrowingFile, int]]:
        """Up to where each file is to be dropped now."""
        ends = [(one, one.read_bytes - self._kept_bytes) for one in files]
        return [(one, end) for one, end in ends if end - max(HEAD_BYTES, one.dropped_to) >= ENOUGH_BYTES]

    def look(self, files: Sequence[GrowingFile], now: float) -> None:
        """Note whether a feed reads it now."""
        if any(one.is_read for one in files):
            self._read_at = now

    def is_past(self, files: Sequence[GrowingFile], now: float) -> bool:
        """Whether it is at the end of one play, so that another one has to begin it again."""
        if not any(one.dropped_to for one in files) or any(one.is_read for one in files):
            return False
        return all(one.delivered for one in files) or self._read_at is None or now - self._read_at > AGAIN_SECONDS


def dropped_bytes(files: Sequence[GrowingFile]) -> int:
    """What the files do not take of the disk, though their sizes say so."""
    return sum(max(0, one.dropped_to - HEAD_BYTES) for one in files)


def drop(file: GrowingFile, end: int) -> None:
    """Give the disk space before `end` back; touches the disk. Raises OSError where the file system cannot."""
    start = max(HEAD_BYTES, file.dropped_to)
    _punch(file.path, start, end - start)
    file.dropped_to = end


def _punch(path: Path, start: int, length: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fallocate = ctypes.CDLL(None, use_errno=True).fallocate
        fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        if fallocate(descriptor, _PUNCH_HOLE, start, length) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)
