"""The backup of the item on air: kept primed, so that it is there in the frame in which the item's source is away."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from tg_video_streamer.automation.candidate import FeedMaker
from tg_video_streamer.automation.stand_in import StandIn
from tg_video_streamer.events import CutReason, SourceLevel
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.playout.source import AirSource, PlayoutEvent, SourceStarted

log = structlog.get_logger(__name__)

RETRY_SECONDS = 15.0
"""Until a backup that failed, and every backup of its own, is tried again."""


class BackupPlayer:
    """Owns the backup's feeds. All methods belong to the event loop's thread."""

    def __init__(self, *, playout: Playout, make_feed: FeedMaker) -> None:
        self._playout = playout
        self._make_feed = make_feed
        self._wanted: Item | None = None
        self._trying: Item | None = None
        self._children: tuple[Item, ...] = ()
        self._played = 0
        self._primed: StandIn | None = None
        self._on_air: StandIn | None = None
        self._woken = asyncio.Event()

    def keep(self, item: Item | None) -> None:
        """Keep `item` primed from now on; None: no backup is needed. What is on air plays on."""
        if item == self._wanted:
            return
        self._wanted = self._trying = item
        self._children, self._played = (), 0
        self._drop()
        self._woken.set()

    def on_playout_event(self, event: PlayoutEvent) -> None:
        """Follow the backup on air."""
        if isinstance(event, SourceStarted):
            if self._primed is not None and self._primed.source is event.source:
                self._on_air, self._primed = self._primed, None
                self._on_air.feed.on_air()
                self._played += 1
        elif self._on_air is not None and self._on_air.source is event.source:
            self._on_air.stop()
            self._on_air = None
        self._woken.set()

    async def run(self) -> None:
        """Keep the wanted backup primed until cancelled; every feed has ended when this returns, and is forgotten."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._woken.clear()
                    pause = self._step(tasks)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await self._woken.wait()
        finally:
            self._forget_feeds()

    def _forget_feeds(self) -> None:
        """The next run begins with none, and with the first backup."""
        self._drop()
        if self._on_air is not None:
            self._on_air.stop()
        self._on_air = None
        self._trying = self._wanted
        self._children, self._played = (), 0

    def _step(self, tasks: asyncio.TaskGroup) -> float | None:
        """Bring the backup a step forward; seconds until the next step at the latest, None for no limit."""
        item, run = self._next(), self._primed
        if item is None:
            return None
        if run is None:
            feed = self._make_feed(item, start_seconds=0.0, changed=self._woken.set)
            task = tasks.create_task(feed.run(), name=f"backup {item.key}")
            self._primed = StandIn(feed=feed, task=task, level=SourceLevel.BACKUP)
            return None
        if run.feed.expansion is not None:
            self._children = run.feed.expansion.children
            self._drop()
            return 0.0 if self._children else RETRY_SECONDS
        if run.feed.state is FeedState.FAILED:
            return self._failed(run)
        if run.source is None and run.feed.primed:
            run.source = _air_source(run)
            self._playout.offer_backup(run.source)
        return None

    def _next(self) -> Item | None:
        if self._children:
            return self._children[self._played % len(self._children)]
        return self._trying

    def _failed(self, run: StandIn) -> float:
        log.warning("backup cannot be played", title=run.feed.title, error=str(run.feed.last_error))
        self._drop()
        if self._children:
            self._played += 1
            return RETRY_SECONDS if self._played % len(self._children) == 0 else 0.0
        following = self._trying.backup if self._trying is not None else None
        self._trying = following or self._wanted
        return RETRY_SECONDS if following is None else 0.0

    def _drop(self) -> None:
        run, self._primed = self._primed, None
        if run is not None:
            self._playout.offer_backup(None)
            run.stop()


def _air_source(run: StandIn) -> AirSource:
    feed = run.feed
    return AirSource(
        packets=feed.buffer,
        content=run.content,
        title=lambda: feed.title,
        outcome=lambda: CutReason.SOURCE_FAILED if feed.state is FeedState.FAILED else CutReason.ENDED,
    )
