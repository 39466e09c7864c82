"""How long the item on air goes on, and whether the next one fits in front of what is fixed: what a schedule decides by."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.automation.director import Director
from tg_video_streamer.clock import Clock
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playout.playout import Playout

LEAD_SECONDS = 45.0
"""So long before its time a show is primed: a page may have to be read for it, and read again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """One moment."""

    wall: float
    left_seconds: float | None
    """Until the item on air ends: 0 where there is none, None where nobody knows."""
    next_ready: bool
    """The next item is primed."""
    next_seconds: float | None
    """How long it is; None where nobody knows."""

    @property
    def next_wall(self) -> float:
        """When the next item begins as far as that is near and known; else now."""
        soon = self.left_seconds is not None and self.left_seconds <= LEAD_SECONDS
        return self.wall + (self.left_seconds or 0.0) if soon else self.wall

    @property
    def ends_soon(self) -> bool:
        """The item on air ends within LEAD_SECONDS, or there is none."""
        return self.left_seconds is not None and self.left_seconds <= LEAD_SECONDS

    def next_is_too_long(self, wall: float) -> bool:
        """The next item is there, and not known to be over by then."""
        return self.next_ready and (self.next_seconds is None or self.next_wall + self.next_seconds > wall)


def look_out(*, director: Director, playout: Playout, rotation: Rotation, clock: Clock) -> Forecast:
    """The outlook now."""
    following = next((feed for feed in director.coming if feed.primed), None)
    length = following.duration_seconds if following is not None else None
    if following is not None and length is not None:
        length = max(0.0, length - rotation.resume_seconds(following.item))
    return Forecast(
        wall=clock.wall(), left_seconds=_left(director, playout), next_ready=following is not None, next_seconds=length
    )


def _left(director: Director, playout: Playout) -> float | None:
    feed = director.on_air
    if feed is None:
        return 0.0
    if playout.held is not None:
        return None
    if feed.state is FeedState.ENDED:
        return feed.buffer.seconds
    if feed.duration_seconds is None:
        return None
    return max(0.0, feed.duration_seconds - playout.item_seconds)
