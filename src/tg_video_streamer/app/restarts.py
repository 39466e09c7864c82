"""Counts the restarts of the service's parts, and says which part fails again and again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tg_video_streamer.clock import Clock
from tg_video_streamer.control.status import PartStatus
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.events import PartChanged

TIMES = 3
WINDOW_SECONDS = 300.0
"""A part that was restarted TIMES times within so long is unstable, until it has run for so long without a restart."""
_MOST_LETTERS = 300


@dataclass(kw_only=True)
class _Record:
    """One part that was restarted at least once."""

    times: deque[float] = field(default_factory=lambda: deque(maxlen=TIMES))
    """Of the last restarts, in the loop's seconds."""
    restarts: int = 0
    error: str = ""
    wall: float = 0.0
    unstable: bool = False
    settles: asyncio.TimerHandle | None = None


class Restarts:
    """Belongs to the event loop's thread."""

    def __init__(
        self, *, clock: Clock, publish: Callable[[PartChanged], None], redact: Callable[[str], str] = str
    ) -> None:
        """`publish` gets a part that has become unstable, or is stable again; `redact` masks secrets in an error."""
        self._clock = clock
        self._publish = publish
        self._redact = redact
        self._loop = asyncio.get_running_loop()
        self._records: dict[str, _Record] = {}

    def add(self, name: str, error: BaseException) -> None:
        """A part is restarted because of `error`, or a subscriber has failed with it."""
        record = self._records.setdefault(name, _Record())
        now = self._loop.time()
        record.times.append(now)
        record.restarts += 1
        record.error = self._text(error)
        record.wall = self._clock.wall()
        if record.settles is not None:
            record.settles.cancel()
        record.settles = self._loop.call_later(WINDOW_SECONDS, self._settle, name, record)
        if len(record.times) == TIMES and now - record.times[0] <= WINDOW_SECONDS and not record.unstable:
            record.unstable = True
            self._report(name, record)

    def facts(self) -> tuple[PartStatus, ...]:
        """The parts that were restarted since the start."""
        return tuple(
            PartStatus(
                name=name,
                restarts=record.restarts,
                unstable=record.unstable,
                last_error=record.error,
                last_restart_wall=record.wall,
            )
            for name, record in self._records.items()
        )

    def _settle(self, name: str, record: _Record) -> None:
        record.settles = None
        if record.unstable:
            record.unstable = False
            self._report(name, record)

    def _report(self, name: str, record: _Record) -> None:
        self._publish(
            PartChanged(
                wall=self._clock.wall(), part=name, unstable=record.unstable, restarts=TIMES, error=record.error
            )
        )

    def _text(self, error: BaseException) -> str:
        """The error in one line, of one of ours without its class."""
        text = str(error) if isinstance(error, StreamerError) else f"{type(error).__name__}: {error}"
        return " ".join(self._redact(text).split())[:_MOST_LETTERS]
