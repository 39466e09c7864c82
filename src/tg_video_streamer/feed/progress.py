"""Where a feed stands in its item, and what to do after a try: go on, leave something out, end, or give up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from tg_video_streamer.feed.attempt_bounds import AttemptResult, StartPoint
from tg_video_streamer.ffmpeg.filters import STILL_SECONDS
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.media import FRAMES_PER_SECOND
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Media

TRIES = 5
"""Failures in a row without a single new frame after which an item is given up."""
LIVE_TRIES = 8
_EARLY_SECONDS = 2.0
"""An item that ends this much before its stated length ended early: statements are rounded, last frames are lost."""
_EARLY_PART = 0.03
_TRIES_AT_ONE_PLACE = 2
"""Failures in a row before a place counts as damaged."""
_SKIPS_SECONDS = (2.0, 5.0, 10.0, 30.0)
"""What is left out, one after the other, where nothing can be decoded."""


class Step(Enum):
    """What follows."""

    TRY_AGAIN = auto()
    END = auto()
    GIVE_UP = auto()


def item_duration(item: Item, source: SourceFacts | None, media: Media | None) -> float | None:
    """Seconds from an item's own beginning to its end, as far as probe and resolver know; None where neither does."""
    whole = source.duration_seconds if source is not None else None
    if whole is None and media is not None:
        whole = media.duration_seconds
    if source is not None and source.endless_picture and source.sound is None:
        whole = item.start_seconds + STILL_SECONDS if item.end_seconds is None else item.end_seconds
    if item.end_seconds is not None:
        whole = item.end_seconds if whole is None else min(whole, item.end_seconds)
    return None if whole is None else max(0.0, whole - item.start_seconds)


@dataclass(kw_only=True, slots=True)
class Progress:
    """Counts frames, failures without any, and what was left out."""

    start_seconds: float = 0.0
    frames: int = 0
    """Handed on since the item's own beginning, those before `start_seconds` included."""
    failures: int = 0
    """In a row without a new frame; a failure after progress counts as the first."""
    skipped_seconds: float = 0.0
    sound_end_ticks: int | None = None
    _skips: int = 0

    def __post_init__(self) -> None:
        """The resume position as whole frames."""
        self.frames = round(self.start_seconds * FRAMES_PER_SECOND)

    @property
    def seconds(self) -> float:
        """The item's own time of the next frame."""
        return self.frames / FRAMES_PER_SECOND

    @property
    def _played(self) -> bool:
        """Whether it has given a frame."""
        return self.frames > round(self.start_seconds * FRAMES_PER_SECOND)

    def place(self, item: Item, *, live: bool) -> StartPoint:
        """Where the next try begins. A live source is joined where it is now."""
        return StartPoint(
            item_start_seconds=item.start_seconds,
            frames=self.frames,
            skipped_seconds=self.skipped_seconds,
            sound_from_ticks=self.sound_end_ticks,
            joins_now=live,
        )

    def begin_at(self, frame: int) -> None:
        """What was handed on began here and not at `start_seconds`: a copy begins at a keyframe."""
        self.start_seconds = frame / FRAMES_PER_SECOND
        self.frames = frame

    def add(self, outcome: AttemptResult) -> None:
        """Count what a try has brought."""
        self.frames += outcome.frames
        self.sound_end_ticks = outcome.sound_end_ticks
        if outcome.frames:
            self.failures = 0
            self._skips = 0

    def after_failure(self, *, live: bool, was_read: bool = False) -> Step:
        """After a try that did not come to play anything. `was_read`: it is a file, so that trying again costs nobody.

        Anything else that has not given a single frame is given up at once: when it may be asked again is the
        quarantine's to say, which allows it once a minute.
        """
        self.failures += 1
        tries = LIVE_TRIES if live else TRIES
        if not was_read and not self._played:
            tries = 1
        return Step.GIVE_UP if self.failures >= tries else Step.TRY_AGAIN

    def after_outcome(
        self, outcome: AttemptResult, *, live: bool, is_file: bool, expected_seconds: float | None
    ) -> Step:
        """After a try whose frames were added."""
        if live:
            # A broadcast that is over says so with a clean end; one that broke off does not.
            if outcome.error is None and not outcome.lost:
                return Step.END
            return self.after_failure(live=True)
        left = None if expected_seconds is None else expected_seconds - self.skipped_seconds - self.seconds
        early = (
            left is not None
            and expected_seconds is not None
            and left > max(_EARLY_SECONDS, expected_seconds * _EARLY_PART)
        )
        broken = outcome.error is not None or (outcome.lost and not is_file and left is None)
        if not early and (not broken or left is not None):
            return Step.END
        if not outcome.frames and self.failures < _TRIES_AT_ONE_PLACE and outcome.error is not None:
            # A child that was killed or frozen before its first frame says nothing about the source.
            return self.after_failure(live=False, was_read=is_file)
        if outcome.frames or not self._can_skip(outcome, left, is_file=is_file):
            return self._again_or_end(outcome, is_file=is_file)
        skip = _SKIPS_SECONDS[self._skips]
        self._skips += 1
        self.skipped_seconds += skip
        self.failures += 1
        return Step.TRY_AGAIN

    def _can_skip(self, outcome: AttemptResult, left: float | None, *, is_file: bool) -> bool:
        """Only what is damaged is left out; a source that cannot be reached is waited for."""
        if not is_file and (outcome.lost or not self._played):
            return False
        return self._skips < len(_SKIPS_SECONDS) and left is not None and left > _SKIPS_SECONDS[self._skips]

    def _again_or_end(self, outcome: AttemptResult, *, is_file: bool) -> Step:
        step = self.after_failure(live=False, was_read=is_file)
        if outcome.frames == 0 and is_file and self._played:
            # A truncated file: everything that is there was played.
            return Step.END
        return step
