"""Makes what plays: the list and its place, the playout, and those who decide what it shows."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from tg_video_streamer.app.feeds import FeedParts
from tg_video_streamer.app.live import live_parts
from tg_video_streamer.app.startup import Prepared
from tg_video_streamer.automation.dayparts import Dayparts
from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.automation.playout_bridge import PlayoutBridge
from tg_video_streamer.automation.position_saver import PositionSaver
from tg_video_streamer.automation.preparer import Preparer
from tg_video_streamer.automation.scheduler import Scheduler
from tg_video_streamer.clock import Clock
from tg_video_streamer.events import EventBus, SourceLevel
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.list_memory import ListMemory
from tg_video_streamer.playlist.load import allowed_folders
from tg_video_streamer.playlist.order import OrderKind
from tg_video_streamer.playlist.position import PositionStore
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import PlaylistWatcher
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.schedule.load import ScheduleSource
from tg_video_streamer.settings.settings import Settings


class ProgramParts:
    """Made, but not started, in the event loop's thread."""

    def __init__(
        self,
        settings: Settings,
        prepared: Prepared,
        *,
        feeds: Callable[[Callable[[], AllowedFolders]], FeedParts],
        fanout: Fanout,
        events: EventBus,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`feeds` makes the feeds' parts, given where their items may lie."""
        self._settings = settings
        self._prepared = prepared
        self._clock = clock
        self._store = PositionStore(settings.state_dir)
        self.rotation = Rotation(order=OrderKind(settings.order), loop=settings.loop, seed=secrets.randbits(32))
        if (position := self._store.load()) is not None:
            self.rotation.restore(position)
        self.quarantine = Quarantine(clock)
        self.watcher = PlaylistWatcher(prepared.playlist, media_folders=settings.media_dirs)
        self.feeds = feeds(self.allowed)
        bridge = PlayoutBridge(loop)
        self.playout = Playout(slate=prepared.slate, fanout=fanout, clock=clock, events=events, listener=bridge.publish)
        self.filler = self.feeds.filler(self.playout)
        self.live = live_parts(
            settings, prepared, playout=self.playout, overlay=self.feeds.branding.untitled, clock=clock
        )
        self.listing = PlaylistSync(
            watcher=self.watcher,
            rotation=self.rotation,
            quarantine=self.quarantine,
            resolve=self.feeds.resolve,
            clock=clock,
            memory=ListMemory.loaded(settings.state_dir),
        )
        self.director = Director(
            rotation=self.rotation,
            quarantine=self.quarantine,
            playout=self.playout,
            make_feed=self.feeds.feed,
            lists=self.listing,
            clock=clock,
        )
        self.scheduler = self._scheduler()
        self.listing.on_change(self.director.renew_next)
        self.listing.on_expansion(self.scheduler.on_expansion)
        bridge.subscribe(SourceLevel.ITEM, self.scheduler.on_playout_event, self.director.on_playout_event)
        if self.live is not None:
            bridge.subscribe(SourceLevel.LIVE, self.live.takeover.on_playout_event)
        if self.filler is not None:
            bridge.subscribe(SourceLevel.FILLER, self.filler.on_playout_event)

    def allowed(self) -> AllowedFolders:
        """Where items may lie, whichever list they are of."""
        own = allowed_folders(self._prepared.playlist, self.watcher.media_folders)
        return AllowedFolders.of((*own.folders, *self.watcher.allowed.folders, *self.scheduler.allowed.folders))

    def change(self, settings: Settings) -> None:
        """Put other settings in force; what was begun with the old ones goes on with them."""
        self._settings = settings
        self.watcher.allow(settings.media_dirs)
        if self.feeds.change(settings):
            self.director.renew_next(anew=True)

    def place(self) -> PositionSaver:
        """Who saves where the program is."""
        return PositionSaver(self._store, self.rotation, lambda: self.playout.item_seconds)

    def preparer(self) -> Preparer | None:
        """Who prepares the coming items; None where nothing is kept."""
        if self.feeds.library is None:
            return None
        return Preparer(
            self.feeds.library,
            upcoming=lambda count: [*self.scheduler.soon(), *self.rotation.upcoming(count)][:count],
            calm=self._calm,
            make_feed=self.feeds.preparing,
            logo=lambda: self.feeds.branding.logo_digest,
            clock=self._clock,
        )

    def _calm(self) -> bool:
        """The item on air is well ahead of its viewers, and what is encoded now can be kept."""
        feed, seen = self.director.on_air, self.playout.on_air
        if not self.feeds.keeping or feed is None or seen is None or seen.showing.level is not SourceLevel.ITEM:
            return False
        return feed.buffer.finished or feed.buffer.seconds >= self._settings.buffer_seconds / 2

    def _scheduler(self) -> Scheduler:
        """In the demo, whose clips take the playlist's place, nothing is scheduled."""
        settings, prepared = self._settings, self._prepared
        demo = prepared.playlist != settings.playlist
        lists = Dayparts(
            playlist=prepared.playlist,
            media_folders=lambda: self.watcher.media_folders,
            places=settings.state_dir / "places",
            rotation=self.rotation,
            listing=self.listing,
        )
        return Scheduler(
            None if demo else ScheduleSource(path=settings.schedule, media_folders=settings.media_dirs),
            record_file=settings.state_dir / "schedule.json",
            left_seconds=self._store.age_seconds(self._clock.wall()),
            lists=lists,
            rotation=self.rotation,
            director=self.director,
            playout=self.playout,
            clock=self._clock,
        )
