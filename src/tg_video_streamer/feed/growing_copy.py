"""Copies files that are still being written into the pipes of one child: it waits at the edge, and ends at the true end only."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Self

from tg_video_streamer.feed.growing_skip import Skip, skip_to
from tg_video_streamer.resolve.growing import GrowingFile, GrowthState

_PIECE_BYTES = 64 * 1024
_LOOK_SECONDS = 0.25
"""How often a copy at the edge looks whether it should stop."""


class GrowingCopies:
    """One thread for each file; a context manager, left only after the child has ended."""

    def __init__(self, files: Sequence[tuple[GrowingFile, int]], *, from_seconds: float = 0.0) -> None:
        """`files`: each with the write end of its pipe, which is closed here. `from_seconds`: what the child needs."""
        self._from_seconds = from_seconds
        self._files = [growing for growing, _ in files]
        self._stopped = threading.Event()
        self._broken = False
        self._threads = [
            threading.Thread(target=self._copy, args=one, name="growing-copy", daemon=True) for one in files
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # The child is gone, and with it every read end: no write blocks any more.
        self._stopped.set()
        for growing in self._files:
            growing.wake()
        for thread in self._threads:
            thread.join()

    @property
    def broken(self) -> bool:
        """Whether a file will get no more bytes although it is not whole: the child has seen an end that is none."""
        return self._broken

    def _copy(self, growing: GrowingFile, pipe: int) -> None:
        try:
            self._copy_all(growing, pipe)
        except BrokenPipeError:
            pass  # the child has read enough
        except OSError:
            self._broken = True
        finally:
            growing.read_ended(self)
            os.close(pipe)

    def _copy_all(self, growing: GrowingFile, pipe: int) -> None:
        descriptor = os.open(growing.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            at = 0
            growing.read_to(self, at)
            skip = skip_to(growing, self._from_seconds) if self._from_seconds else None
            while not self._stopped.is_set():
                if not growing.wait_beyond(at, _LOOK_SECONDS):
                    continue
                end = growing.size if skip is None or at >= skip.begin_at else skip.keep_to
                data = os.pread(descriptor, min(_PIECE_BYTES, max(0, end - at)), at)
                if data:
                    at = _after(at + _written(pipe, data if skip is None or at else skip.of_unknown_length(data)), skip)
                    growing.read_to(self, at)
                elif growing.state is GrowthState.WHOLE and at >= growing.size:
                    return
                elif growing.state is not GrowthState.GROWING:
                    self._broken = True
                    return
                else:
                    self._stopped.wait(_LOOK_SECONDS)  # its download began again, and is not here yet
        finally:
            os.close(descriptor)


def _after(at: int, skip: Skip | None) -> int:
    """What is read after the bytes before `at`."""
    return skip.begin_at if skip is not None and at == skip.keep_to else at


def _written(pipe: int, data: bytes) -> int:
    """Write all of `data`; its length."""
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]
    return len(data)
