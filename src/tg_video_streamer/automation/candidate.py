"""A candidate for the air: an item with its feed, the task that runs it, and its source for the playout."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tg_video_streamer.clock import Clock
from tg_video_streamer.events import AirContent, CutReason, SourceLevel
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playout.source import AirSource

EXPIRY_MARGIN_SECONDS = 90.0
"""A primed item whose URLs expire sooner than this is primed again: it must not go on air with dead ones.

At most half of their lifetime: the URLs of some sites never live so long.
"""
LIVE_GRACE_SECONDS = 60.0
"""How long filler or slate covers a live source that broke off, before the next item starts."""
SLOW_GRACE_SECONDS = 10.0
"""The same for a source that is too slow."""


class FeedMaker(Protocol):
    """Makes the feed of an item; it does nothing until its `run`."""

    def __call__(self, item: Item, *, start_seconds: float, changed: Callable[[], None]) -> Feed:
        """`start_seconds` counts from the start of the item; `changed` is called at each change of the feed."""


@dataclass(kw_only=True, eq=False)
class Candidate:
    """Made by the director, in the event loop's thread."""

    item: Item
    feed: Feed
    task: asyncio.Task[None]
    resumes: bool
    """It continues where an earlier run of the service left the item."""
    created: float
    """Monotonic seconds."""
    late: bool = False
    """Another item started before it, because this one was not ready in its turn."""
    source: AirSource | None = None
    """Set once it was offered."""
    away: bool = False
    """Its live feed did not come in time."""
    instead: bool = False
    """Its feed is that of the item's backup, because its own source cannot be played."""
    ends_wall: float | None = None
    """When its time is over; set where it is on air."""

    @property
    def over(self) -> bool:
        """Its feed adds no more packets."""
        return self.feed.state in {FeedState.ENDED, FeedState.FAILED}

    @property
    def failed(self) -> bool:
        """It will never go on air."""
        return self.feed.state is FeedState.FAILED or (self.over and not self.feed.primed)

    @property
    def ready(self) -> bool:
        """It may go on air: primed, or its live feed is away and its backup plays until that is back."""
        away = self.away or self.feed.last_error is not None
        return self.feed.primed or (away and self.item.persists and not self.instead)

    def air_source(self) -> AirSource:
        """Its source for the playout; the same one each time."""
        if self.source is None:
            self.source = AirSource(
                packets=self.feed.buffer,
                content=AirContent(
                    level=SourceLevel.ITEM,
                    key=self.item.key,
                    title=self.feed.title,
                    new_play=not self.resumes,
                    cached=self.feed.plays_cached,
                    prepared=self.feed.plays_prepared,
                ),
                title=lambda: self.feed.title,
                rejoin_seconds=lambda: self.feed.rejoin_seconds,
                grace=self._grace,
                outcome=self._outcome,
                encode_step=lambda: self.feed.encode_step,
            )
        return self.source

    def usable_seconds(self, clock: Clock) -> float | None:
        """For how long its URLs are good enough to go on air with; None where they do not expire, or are no more needed."""
        expires = self.feed.expires_wall
        if expires is None or self.over:
            return None
        waited = clock.monotonic() - self.created
        lifetime = expires - clock.wall() + waited
        return lifetime - waited - min(EXPIRY_MARGIN_SECONDS, lifetime / 2)

    def stop(self) -> None:
        """End the feed; its task reaps the child."""
        # Its reader may be waiting for space in the buffer.
        self.feed.buffer.close()
        self.task.cancel()

    def _grace(self) -> float:
        if self.item.backup is not None and not self.instead and (self.feed.is_live or self.item.persists):
            # Its feed reports the final failure.
            return math.inf
        if self.feed.is_live:
            return LIVE_GRACE_SECONDS
        return 0.0 if self.feed.state in {FeedState.RETRYING, FeedState.FAILED} else SLOW_GRACE_SECONDS

    def _outcome(self) -> CutReason:
        return CutReason.SOURCE_FAILED if self.feed.state is FeedState.FAILED else CutReason.ENDED
