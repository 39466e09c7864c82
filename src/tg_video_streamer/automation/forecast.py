"""When the item on air and the coming ones end, as far as that is known; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tg_video_streamer.feed.handler import Feed

LEAD_SECONDS = 45.0
"""A show is primed this long before its time: a page may have to be read for it, and read again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What a schedule decides by, at one moment."""

    wall: float
    left_seconds: float | None
    """Until the item on air ends: 0 without one, None where unknown."""
    next_ready: bool
    """The next item is primed."""
    next_seconds: float | None
    """Its length; None where unknown."""

    @property
    def next_wall(self) -> float:
        """When the next item starts, where that is near and known; else now."""
        return self.wall + (self.left_seconds or 0.0) if self.ends_soon else self.wall

    @property
    def ends_soon(self) -> bool:
        """The item on air ends within LEAD_SECONDS, or there is none."""
        return self.left_seconds is not None and self.left_seconds <= LEAD_SECONDS

    def next_is_too_long(self, wall: float) -> bool:
        """The next item is ready, and not known to end by then."""
        return self.next_ready and (self.next_seconds is None or self.next_wall + self.next_seconds > wall)


def seconds_left(on_air: Feed | None, item_seconds: float) -> float | None:
    """Until the item on air ends, `item_seconds` into it: 0 without one, None where unknown."""
    if on_air is None:
        return 0.0
    if on_air.buffer.finished:
        return on_air.buffer.seconds
    return None if on_air.duration_seconds is None else max(0.0, on_air.duration_seconds - item_seconds)


def eta_seconds(feed: Feed, coming: Sequence[Feed], on_air: Feed | None, item_seconds: float) -> float | None:
    """Seconds until the first frame of `feed`, one of the `coming` ones in order; None where unknown."""
    left = seconds_left(on_air, item_seconds)
    for one in coming:
        if one is feed or left is None:
            return left
        left = None if one.duration_seconds is None else left + one.duration_seconds
    return None
