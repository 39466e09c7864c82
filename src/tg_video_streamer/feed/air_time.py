"""When a feed's frames are on air, as well as that can be known while they are encoded; pure but for the clock."""

from __future__ import annotations

from collections.abc import Callable

from tg_video_streamer.clock import Clock
from tg_video_streamer.feed.attempt_bounds import StartPoint
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.media import FRAMES_PER_SECOND, seconds

Due = Callable[[], float | None]
"""Seconds until a feed that waits is on air; None where nobody knows."""


def never_known() -> float | None:
    """A Due for what goes on air when it is needed."""
    return None


class AirTime:
    """Of one feed: what is encoded now is on air up to a whole buffer later."""

    def __init__(self, buffer: Buffer, clock: Clock) -> None:
        self.due: Due = never_known
        """Set by whoever knows when it will be its turn."""
        self._buffer = buffer
        self._clock = clock
        self._begin_seconds: float | None = None

    def begin(self, place: StartPoint) -> float:
        """The item's own time at which the feed began: that of the first `place` that anybody names here."""
        if self._begin_seconds is None:
            self._begin_seconds = place.item_seconds
        return self._begin_seconds

    def of(self, place: StartPoint) -> float | None:
        """Wall-clock time at which the frame at `place` is, or would have been, on air; None where nobody knows.

        While the program is paused it is as if it went on now.
        """
        begin = self.begin(place)
        now, buffer = self._clock.wall(), self._buffer
        if buffer.taken_ticks:
            return now + place.item_seconds - seconds(buffer.taken_ticks)
        if buffer.sliding:
            # A live source that waits: what comes now will be as old as the buffer is long.
            return now + buffer.limit_seconds + place.item_seconds - begin - buffer.frames_put / FRAMES_PER_SECOND
        due = self.due()
        return None if due is None else now + due + place.item_seconds - begin
