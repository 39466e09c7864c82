"""A thread that reads packets into a feed's buffer."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

import structlog

from tg_video_streamer.errors import FeedError
from tg_video_streamer.feed.buffer import Buffer, BufferClosed

HANGING_SECONDS = 10.0
"""How long the end of a cancelled feed waits for its thread, which a disk may hold."""

_log = structlog.get_logger(__name__)


class ReaderThread(ABC):
    """Made and awaited in the event loop; `start` runs `_read_all` in a thread, which ends with its source or the buffer."""

    def __init__(self, buffer: Buffer, *, name: str) -> None:
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.finished = asyncio.Event()
        """The thread has ended."""
        self.frames = 0
        """Pictures put into the buffer."""
        self.sound_end_ticks: int | None = None
        """The item's own time at which the sound in the buffer ends; None: there was none."""
        self.error: FeedError | None = None
        """Why it stopped before the end of its source."""

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    async def join(self) -> None:
        """Wait for the thread. If the task is cancelled, close the buffer: the thread may wait for space in it."""
        task = asyncio.current_task()
        try:
            if task is None or not task.cancelling():
                await self.finished.wait()
        finally:
            ended = asyncio.ensure_future(self.finished.wait())
            if task is not None and task.cancelling():
                self._buffer.close()
                await asyncio.shield(asyncio.wait((ended,), timeout=HANGING_SECONDS))
                ended.cancel()
            else:
                await asyncio.shield(ended)
            if self.finished.is_set():
                self._thread.join()
            else:
                _log.warning("a reader is left behind: what it reads does not answer", thread=self._thread.name)

    def call_in_loop(self, function: Callable[[], object]) -> None:
        """Call `function` in the event loop, from the thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    @abstractmethod
    def _read_all(self) -> None:
        """Read everything, in the thread. Raises FeedError."""

    def _run(self) -> None:
        try:
            self._read_all()
        except FeedError as error:
            self.error = error
        except BufferClosed:
            self.error = None
        except Exception as error:  # noqa: BLE001 - a thread has no caller: a defect must end the attempt, with a trace
            _log.exception("reader thread failed", thread=self._thread.name)
            self.error = FeedError.of("feed.defect", thread=self._thread.name, detail=type(error).__name__)
        finally:
            self.call_in_loop(self.finished.set)
