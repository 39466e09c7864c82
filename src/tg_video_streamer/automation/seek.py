"""Moves the item on air to another place of itself: a second feed begins there, and replaces the first when it is primed.

Until then the item plays on, so no frame is missing. The position in the playlist does not change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from tg_video_streamer.automation.candidate import Candidate, FeedMaker
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import FeedError, StreamerError
from tg_video_streamer.playout.playout import Playout

log = structlog.get_logger(__name__)

SEEK_SECONDS = 30.0
"""A place that is not primed after so long is given up: the item plays on where it is."""


@dataclass(kw_only=True, eq=False)
class Seek:
    """One move; who asked for it waits for `settled`."""

    seconds: float
    """Where to, from the item's own start."""
    of: Candidate
    """The item on air when it was asked for."""
    created: float
    """Monotonic seconds."""
    candidate: Candidate | None = None
    """The same item from there on; None until its feed begins."""
    error: StreamerError | None = None
    """Why the item stays where it is; set before `settled`."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """The item plays from there, or will not."""


class Seeker:
    """Has at most one move at a time; the last one counts. All methods belong to the event loop's thread."""

    def __init__(self, *, playout: Playout, make_feed: FeedMaker, clock: Clock, changed: Callable[[], None]) -> None:
        """`changed` is called at each change of a feed."""
        self._playout = playout
        self._make_feed = make_feed
        self._clock = clock
        self._changed = changed
        self._seek: Seek | None = None

    @property
    def position_seconds(self) -> float:
        """How far into the item the program is, or will be where it is being moved."""
        return self._seek.seconds if self._seek is not None else self._playout.item_seconds

    def begin(self, on_air: Candidate, seconds: float) -> Seek:
        """Move the item of `on_air` to `seconds`, in place of an earlier move that has not settled."""
        self.give_up(FeedError.of("seek.replaced"))
        self._seek = Seek(seconds=seconds, of=on_air, created=self._clock.monotonic())
        return self._seek

    def step(self, tasks: asyncio.TaskGroup) -> float | None:
        """Bring the move a step forward; seconds until the next one at the latest, None without a move."""
        seek = self._seek
        if seek is None:
            return None
        if seek.candidate is None:
            seek.candidate = self._candidate(seek, tasks)
        candidate = seek.candidate
        left = seek.created + SEEK_SECONDS - self._clock.monotonic()
        if candidate.failed:
            self.give_up(candidate.feed.last_error or FeedError.of("seek.nothing_there"))
            return None
        if left <= 0 and self.give_up(FeedError.of("seek.too_slow", seconds=SEEK_SECONDS)):
            return None
        if candidate.feed.primed and candidate.source is None and seek.of.source is not None:
            self._playout.replace_item(seek.of.source, candidate.air_source())
        return max(1.0, left)

    def take(self) -> Candidate | None:
        """The candidate that has replaced the one on air; None where none has. The move has settled then."""
        seek = self._seek
        if seek is None or seek.candidate is None or seek.candidate.source is None:
            return None
        self._seek = None
        seek.candidate.feed.on_air()
        seek.settled.set()
        return seek.candidate

    def has_arrived(self) -> bool:
        """Whether the playout has the item there already; its event may still be on the way."""
        candidate = self._seek.candidate if self._seek is not None else None
        return candidate is not None and candidate.source is not None and self._playout.item is candidate.source

    def give_up(self, why: StreamerError) -> bool:
        """The item stays where it is; False where it has moved already, or there is nothing to give up."""
        seek, candidate = self._seek, self._seek.candidate if self._seek is not None else None
        if seek is None:
            return False
        if candidate is not None:
            if candidate.source is not None and not self._playout.withdraw(candidate.source) and self.has_arrived():
                return False
            candidate.stop()
        log.info("the item stays where it is", key=seek.of.item.key, why=str(why))
        self._seek, seek.error = None, why
        seek.settled.set()
        return True

    def _candidate(self, seek: Seek, tasks: asyncio.TaskGroup) -> Candidate:
        # A backup that plays in place of its item is what moves.
        item = seek.of.feed.item
        feed = self._make_feed(item, start_seconds=seek.seconds, changed=self._changed)
        feed.continues(seek.of.feed)
        feed.air_time.eta = lambda: 0.0
        task = tasks.create_task(feed.run(), name=f"seek {item.key}")
        return Candidate(
            item=seek.of.item,
            feed=feed,
            task=task,
            resumes=True,
            created=self._clock.monotonic(),
            late=seek.of.late,
            instead=seek.of.instead,
            ends_wall=seek.of.ends_wall,
        )
