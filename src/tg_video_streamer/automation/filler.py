"""The filler: keeps one of the operator's clips primed for moments when no item is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import structlog

from tg_video_streamer.automation.candidate import FeedMaker
from tg_video_streamer.automation.stand_in import StandIn
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs, PlaylistError
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.playlist.folders import media_files
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.playout.source import AirSource, PlayoutEvent, SourceStarted

Choose = Callable[[], Awaitable[Item | None]]

log = structlog.get_logger(__name__)

NEEDED_SECONDS = 1.0
RETRY_SECONDS = 60.0
"""Until a failed clip or an empty folder is tried again."""


class FillerPlayer:
    """Owns the filler's feeds. All methods belong to the event loop's thread."""

    def __init__(
        self, choose: Choose, *, playout: Playout, make_feed: FeedMaker, needed: Callable[[], bool] | None = None
    ) -> None:
        """`choose` is asked for each clip. With `needed`, one is primed only while that says so; it is asked once a second."""
        self._choose = choose
        self._playout = playout
        self._make_feed = make_feed
        self._needed = needed
        self._primed: StandIn | None = None
        self._on_air: StandIn | None = None
        self._woken = asyncio.Event()

    def on_playout_event(self, event: PlayoutEvent) -> None:
        """Follow a clip that started or ended on air."""
        if isinstance(event, SourceStarted):
            if self._primed is not None and self._primed.source is event.source:
                self._on_air, self._primed = self._primed, None
                self._on_air.feed.on_air()
        elif self._on_air is not None and self._on_air.source is event.source:
            self._on_air.stop()
            self._on_air = None
        self._woken.set()

    async def run(self) -> None:
        """Keep a clip primed until cancelled; every feed has ended when this returns, and is forgotten."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._woken.clear()
                    pause = await self._step(tasks)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await self._woken.wait()
        finally:
            self._forget_feeds()

    def _forget_feeds(self) -> None:
        """The next run begins with none."""
        for clip in (self._primed, self._on_air):
            if clip is not None:
                clip.stop()
        self._primed = self._on_air = None

    async def _step(self, tasks: asyncio.TaskGroup) -> float | None:
        clip = self._primed
        if self._needed is not None and not self._needed():
            if clip is not None:
                self._playout.offer_filler(None)
                clip.stop()
                self._primed = None
            return NEEDED_SECONDS
        if clip is None:
            item = await self._choose()
            if item is None:
                return RETRY_SECONDS if self._needed is None else NEEDED_SECONDS
            feed = self._make_feed(item, start_seconds=0.0, changed=self._woken.set)
            self._primed = StandIn(feed=feed, task=tasks.create_task(feed.run(), name=f"filler {item.key}"))
            return None
        if clip.feed.state is FeedState.FAILED or clip.feed.expansion is not None:
            log.warning("filler clip cannot be played", title=clip.feed.title, error=str(clip.feed.last_error))
            clip.stop()
            self._primed = None
            return RETRY_SECONDS
        if clip.source is None and clip.feed.primed:
            clip.source = AirSource(packets=clip.feed.buffer, content=clip.content)
            self._playout.offer_filler(clip.source)
        return None if self._needed is None else NEEDED_SECONDS


class FolderClips:
    """Chooses the clips of a folder in the order of their names, in a loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = ""

    async def choose(self) -> Item | None:
        """The clip after the last one; None where there is none, or the disk hangs."""
        try:
            return await DISKS.run(self._folder, self._choose)
        except DiskHangs:
            return None

    def _choose(self) -> Item | None:
        """The clip after the last one, by name."""
        try:
            files = media_files(self._folder)
        except PlaylistError as error:
            log.warning("filler folder cannot be read", folder=str(self._folder), error=str(error))
            return None
        if not files:
            return None
        names = [str(file) for file in files]
        at = names.index(self._last) + 1 if self._last in names else 0
        self._last = names[at % len(names)]
        return Item(LocatorKind.FILE, self._last, title=Path(self._last).name)
