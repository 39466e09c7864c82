"""A local file that is still being written: how far it reaches, and whether its end is the real one."""

from __future__ import annotations

import threading
from enum import StrEnum
from pathlib import Path


class GrowthState(StrEnum):
    """What becomes of the file."""

    GROWING = "growing"
    WHOLE = "whole"
    """It has all of its bytes."""
    BROKEN = "broken"
    """It will get no more bytes, and is not whole."""


class GrowingFile:
    """The writer reports each step; any thread may wait for the bytes after an offset."""

    def __init__(self, path: Path, *, size: int = 0) -> None:
        """`size`: how many bytes from the start on it has already."""
        self.path = path
        self._changed = threading.Condition()
        self._size = size
        self._state = GrowthState.GROWING
        self._readers: dict[object, int] = {}
        self._read_bytes = 0
        self.dropped_to = 0
        """Bytes before this, behind the head of the file, are gone: they were read, and there is no room for them."""
        self.delivered = False
        """A reader has got all of it."""

    @property
    def size(self) -> int:
        """Bytes that are in the file without a gap from its start."""
        return self._size

    @property
    def state(self) -> GrowthState:
        """Whether it still grows."""
        return self._state

    @property
    def is_read(self) -> bool:
        """Whether something reads it now."""
        return bool(self._readers)

    @property
    def read_bytes(self) -> int:
        """How far it was read: by the reader that is least far, or else by the last one."""
        with self._changed:
            return min(self._readers.values(), default=self._read_bytes)

    def read_to(self, reader: object, offset: int) -> None:
        """`reader` has read so many bytes from the start."""
        with self._changed:
            self._readers[reader] = offset

    def read_ended(self, reader: object) -> None:
        """`reader` reads no more."""
        with self._changed:
            self._read_bytes = self._readers.pop(reader, self._read_bytes)
            self.delivered = self._state is GrowthState.WHOLE and self._read_bytes >= self._size

    def grown(self, size: int) -> None:
        """It has `size` bytes now."""
        with self._changed:
            self._size = max(self._size, size)
            self._changed.notify_all()

    def end(self, state: GrowthState) -> None:
        """It grows no more."""
        with self._changed:
            self._state = state
            self._changed.notify_all()

    def wake(self) -> None:
        """Let those who wait look at their own reasons to stop."""
        with self._changed:
            self._changed.notify_all()

    def wait_beyond(self, offset: int, seconds: float) -> bool:
        """Wait for bytes after `offset`, an end, or a wake, at most `seconds`; whether there are bytes or an end."""
        with self._changed:
            if self._size <= offset and self._state is GrowthState.GROWING:
                self._changed.wait(seconds)
            return self._size > offset or self._state is not GrowthState.GROWING
