"""Estimates when a feed's frames are on air, while they are encoded."""

from __future__ import annotations

from collections.abc import Callable

from tg_video_streamer.clock import Clock
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.feed.progress import StartPoint
from tg_video_streamer.media import seconds

Eta = Callable[[], float | None]
"""Seconds until a waiting feed is on air; None if unknown."""


def unknown_eta() -> float | None:
    """The Eta of a feed that goes on air when it is needed."""
    return None


class AirTime:
    """The air time of one feed: what is encoded now is on air up to a whole buffer later."""

    def __init__(self, buffer: Buffer, clock: Clock) -> None:
        self.eta: Eta = unknown_eta
        """Set by the scheduler of the feed."""
        self._buffer = buffer
        self._clock = clock
        self._begin_seconds: float | None = None

    def begin(self, start: StartPoint) -> float:
        """The item's own time at which the feed began, which is that of the first `start`."""
        if self._begin_seconds is None:
            self._begin_seconds = start.item_seconds
        return self._begin_seconds

    def of(self, start: StartPoint) -> float | None:
        """Wall-clock time at which the frame at `start` is, or would have been, on air; None if unknown.

        While the program is paused, it is computed as if the program continued now.
        """
        begin = self.begin(start)
        now, buffer = self._clock.wall(), self._buffer
        if buffer.taken_ticks:
            return now + start.item_seconds - seconds(buffer.taken_ticks)
        if buffer.sliding:
            # A waiting live source: the frames of now are on air after the whole buffer.
            return now + buffer.limit_seconds + start.item_seconds - begin - buffer.seconds_put
        eta = self.eta()
        return None if eta is None else now + eta + start.item_seconds - begin
