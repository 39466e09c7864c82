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

    @property
    def size(self) -> int:
        """Bytes that are in the file without a gap from its start."""
        return self._size

    @property
    def state(self) -> GrowthState:
        """Whether it still grows."""
        return self._state

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
