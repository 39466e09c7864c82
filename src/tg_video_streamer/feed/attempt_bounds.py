"""Where a try at an item begins, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.errors import FeedError
from tg_video_streamer.media import FRAME_TICKS, seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class StartPoint:
    """Where a stretch begins: at `frames` of the item, whose frame 0 is `item_start_seconds` into the source."""

    item_start_seconds: float
    frames: int = 0
    skipped_seconds: float = 0.0
    """How much of the source behind frame 0 was left out because it could not be read."""
    sound_from_ticks: int | None = None
    joins_now: bool = False
    """The source is live: it begins where it is now, whatever was played before."""

    @property
    def item_seconds(self) -> float:
        """The item's own time of the first frame."""
        return seconds(self.frames * FRAME_TICKS)

    @property
    def source_seconds(self) -> float:
        """The source's own time of the first frame."""
        return 0.0 if self.joins_now else self.item_start_seconds + self.skipped_seconds + self.item_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptResult:
    """How a try ended. `error` None: the child came to the end of what it could read."""

    frames: int
    sound_end_ticks: int | None
    error: FeedError | None
    lost: bool
    """The child's last words speak of a lost source, whatever its exit code."""
