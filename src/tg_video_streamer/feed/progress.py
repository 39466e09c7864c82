"""The progress of a feed through its item, and what follows an attempt: continue, skip a part, end, or give up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from tg_video_streamer.errors import FeedError, StartBeyondEnd
from tg_video_streamer.ffmpeg.filters import STILL_SECONDS
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.media import FrameRate
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Media

TRIES = 5
"""After so many failures in a row without a new frame the item is given up."""
LIVE_TRIES = 8
_EARLY_SECONDS = 2.0
"""An item that ends so much before its stated duration ended early: durations are rounded, last frames get lost."""
_TRIES_AT_ONE_POSITION = 2
"""Failures in a row after which a position counts as damaged."""
_SKIPS_SECONDS = (2.0, 5.0, 10.0, 30.0)
"""What is skipped, one after the other, while nothing can be decoded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StartPoint:
    """Where an attempt starts: at `frames` of the item, whose frame 0 is `item_start_seconds` into the source."""

    item_start_seconds: float
    rate: FrameRate
    frames: int = 0
    skipped_seconds: float = 0.0
    """How much of the source after frame 0 was skipped because it could not be decoded."""
    sound_from_ticks: int | None = None
    joins_now: bool = False
    """The source is live: it starts at its present, whatever was played before."""

    @property
    def item_seconds(self) -> float:
        """The item's own time of the first frame."""
        return self.frames / self.rate

    @property
    def source_seconds(self) -> float:
        """The source's own time of the first frame."""
        return 0.0 if self.joins_now else self.item_start_seconds + self.skipped_seconds + self.item_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptResult:
    """How an attempt ended. `error` None: the child read to the end of what it could read."""

    frames: int
    sound_end_ticks: int | None
    error: FeedError | None
    lost: bool
    """The child's last messages mean a lost source, whatever its exit code."""
    quiet: bool = False
    """The child had nothing to complain about."""


class Step(Enum):
    """What follows."""

    TRY_AGAIN = auto()
    END = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """How long an item should be, from its own start."""

    seconds: float | None
    estimated: bool = False
    """It is a guess."""


def expected_length(item: Item, source: SourceFacts | None, media: Media | None) -> Expected:
    """The length of an item as far as it is known; a guess where only a bit rate or a site states it."""
    estimated = source is None or source.duration_seconds is None or source.duration_estimated
    return Expected(seconds=item_duration(item, source, media), estimated=estimated)


def item_duration(item: Item, source: SourceFacts | None, media: Media | None) -> float | None:
    """Seconds from an item's own start to its end; None if neither probe nor resolver knows."""
    whole = source.duration_seconds if source is not None else None
    if whole is None and media is not None:
        whole = media.duration_seconds
    if source is not None and source.endless_picture and source.sound is None:
        whole = item.start_seconds + STILL_SECONDS if item.end_seconds is None else item.end_seconds
    if item.end_seconds is not None:
        whole = item.end_seconds if whole is None else min(whole, item.end_seconds)
    return None if whole is None else max(0.0, whole - item.start_seconds)


def require_start(item: Item, source: SourceFacts) -> None:
    """Raise StartBeyondEnd where the line's start= is behind the end of the source, as far as its length is a fact."""
    whole = source.duration_seconds
    if whole is None or source.duration_estimated or source.live or source.endless_picture:
        return
    if item.start_seconds >= whole:
        raise StartBeyondEnd.of("source.beyond_end", start=clock_text(item.start_seconds), length=clock_text(whole))


@dataclass(kw_only=True, slots=True)
class Progress:
    """Counts frames, failures in a row, and skipped seconds."""

    rate: FrameRate
    start_seconds: float = 0.0
    frames: int = 0
    """Put into the buffer since the item's own start, those before `start_seconds` included."""
    failures: int = 0
    """In a row without a new frame; a failure after progress is the first again."""
    skipped_seconds: float = 0.0
    sound_end_ticks: int | None = None
    _skips: int = 0
    _hole_seconds: float = 0.0

    def __post_init__(self) -> None:
        """The resume position as whole frames."""
        self.frames = round(self.start_seconds * self.rate)

    @property
    def seconds(self) -> float:
        """The item's own time of the next frame."""
        return self.frames / self.rate

    @property
    def _played(self) -> bool:
        """Whether it has given a frame."""
        return self.frames > round(self.start_seconds * self.rate)

    def start_point(self, item: Item, *, live: bool) -> StartPoint:
        """Where the next attempt starts. A live source is joined at its present."""
        return StartPoint(
            item_start_seconds=item.start_seconds,
            rate=self.rate,
            frames=self.frames,
            skipped_seconds=self.skipped_seconds,
            sound_from_ticks=self.sound_end_ticks,
            joins_now=live,
        )

    def move_start(self, frame: int) -> None:
        """It started here and not at `start_seconds`: a cached encode starts at a keyframe."""
        self.start_seconds = frame / self.rate
        self.frames = frame

    def add(self, result: AttemptResult, *, least_frames: int = 1) -> None:
        """Count what an attempt has given; `least_frames`: with fewer it counts as a failure all the same."""
        self.frames += result.frames
        self.sound_end_ticks = result.sound_end_ticks
        if result.frames >= least_frames:
            self.failures = 0
            self._skips = 0
            self._hole_seconds = self.skipped_seconds

    def after_failure(self, *, live: bool, is_file: bool = False) -> Step:
        """After an attempt without a frame. `is_file`: retrying costs no request.

        Any other source that has not given a frame is given up at once: the quarantine decides when it is tried again.
        """
        self.failures += 1
        tries = LIVE_TRIES if live else TRIES
        if not is_file and not self._played:
            tries = 1
        return Step.GIVE_UP if self.failures >= tries else Step.TRY_AGAIN

    def after_result(self, result: AttemptResult, *, live: bool, is_file: bool, expected: Expected) -> Step:
        """After an attempt whose frames were added."""
        if live:
            # A broadcast that is over ends cleanly; one that broke off does not.
            over = result.error is None and not result.lost
            return Step.END if over else self.after_failure(live=True)
        left = None if expected.seconds is None else expected.seconds - self.skipped_seconds - self.seconds
        early = left is not None and left > _EARLY_SECONDS
        if expected.estimated and not early:
            # Behind the end of a guess nothing is known.
            left = None
        broken = result.error is not None or (result.lost and not is_file and left is None)
        all_read = (is_file or not result.frames) and self._data_ended(result, expected, is_file=is_file)
        if all_read or (not early and (not broken or left is not None)):
            return Step.END
        if not result.frames and self.failures < _TRIES_AT_ONE_POSITION and result.error is not None:
            # A child that was killed or hung before its first frame proves nothing about the source.
            return self.after_failure(live=False, is_file=is_file)
        if result.frames or not self._can_skip(result, left, is_file=is_file):
            return self._again_or_end(result, is_file=is_file)
        skip = _SKIPS_SECONDS[self._skips]
        self._skips += 1
        self.skipped_seconds += skip
        self.failures += 1
        return Step.TRY_AGAIN

    def played_whole(self, result: AttemptResult, *, is_file: bool, expected: Expected) -> bool:
        """Whether `result` ended an item of which no part is missing.

        The end of the data decides; a stated length only speaks against it, and an estimated one not even that.
        """
        if self._hole_seconds or result.error is not None or (result.lost and not is_file):
            return False
        as_long = expected.seconds is None or expected.seconds - self.seconds <= _EARLY_SECONDS
        return as_long or self._data_ended(result, expected, is_file=is_file)

    def _data_ended(self, result: AttemptResult, expected: Expected, *, is_file: bool) -> bool:
        """Whether the end of the data is the end of the item, whatever length was stated."""
        if not self._played or result.error is not None:
            return False
        return (expected.estimated and (is_file or not result.lost)) or (is_file and result.quiet)

    def _can_skip(self, result: AttemptResult, left: float | None, *, is_file: bool) -> bool:
        """Only damage is skipped; an unreachable source is waited for."""
        if not is_file and (result.lost or not self._played):
            return False
        return self._skips < len(_SKIPS_SECONDS) and left is not None and left > _SKIPS_SECONDS[self._skips]

    def _again_or_end(self, result: AttemptResult, *, is_file: bool) -> Step:
        step = self.after_failure(live=False, is_file=is_file)
        if result.frames == 0 and is_file and self._played:
            # A truncated file: everything in it was played.
            return Step.END
        return step
