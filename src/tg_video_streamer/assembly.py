"""Makes every part of the service with what it needs, and starts none."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

from tg_video_streamer.as_run import AsRunLog
from tg_video_streamer.chat_parts import chat_parts, chat_problems
from tg_video_streamer.checks import CHECKS
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.config import LoadedSettings, Settings, secret_values
from tg_video_streamer.control.claim import ClaimedFolder
from tg_video_streamer.control.status import TelegramFacts
from tg_video_streamer.control_parts import ControlParts, control_parts
from tg_video_streamer.events import EventBus, Rung
from tg_video_streamer.feed_parts import FeedParts
from tg_video_streamer.heartbeat import Heartbeat
from tg_video_streamer.live_parts import live_parts
from tg_video_streamer.logs import redaction
from tg_video_streamer.metrics import Metrics
from tg_video_streamer.metrics_server import metrics_server
from tg_video_streamer.notify.notifier import Notifier
from tg_video_streamer.notify.sending import notify_addresses
from tg_video_streamer.outputs.assemble import output_handler
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.outputs.target import OutputKind
from tg_video_streamer.parts import Parts
from tg_video_streamer.playlist.list_memory import ListMemory
from tg_video_streamer.playlist.order import OrderKind
from tg_video_streamer.playlist.position import PositionStore
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import PlaylistWatcher
from tg_video_streamer.preparation import Prepared
from tg_video_streamer.program.director import Director
from tg_video_streamer.program.fanout import Fanout
from tg_video_streamer.program.listing import Listing
from tg_video_streamer.program.place import PlaceKeeper
from tg_video_streamer.program.playout import Change, Playout
from tg_video_streamer.program.preparer import Preparer
from tg_video_streamer.program.source import Showing
from tg_video_streamer.reloading import SettingsReload
from tg_video_streamer.telegram_parts import (
    TelegramParts,
    TelegramSurroundings,
    output_targets,
    telegram_parts,
)
from tg_video_streamer.ytdlp_parts import YtdlpKeeper


class _Assembly:
    """Makes parts, each with what it needs of those that were made before."""

    def __init__(self, loaded: LoadedSettings, prepared: Prepared) -> None:
        settings = loaded.settings
        self.loop = asyncio.get_running_loop()
        self.loaded = loaded
        self.settings = settings
        self.prepared = prepared
        self.clock = SystemClock()
        self.events = EventBus(self.loop)
        self.fanout = Fanout(prepared.slate.headers)
        self.store = PositionStore(settings.state_dir)
        self.rotation = self._rotation()
        self.quarantine = Quarantine(self.clock)
        self.watcher = PlaylistWatcher(prepared.playlist, media_folders=settings.media_dirs)
        self.ytdlp = YtdlpKeeper(settings, clock=self.clock, publish=self.events.publish)
        self.feeds = self._feeds()
        self.playout = Playout(
            slate=prepared.slate, fanout=self.fanout, clock=self.clock, events=self.events, listener=self._listen
        )
        self.filler = self.feeds.filler(self.playout)
        worn = self.feeds.branding.untitled
        self.live = live_parts(settings, prepared, playout=self.playout, overlay=worn, clock=self.clock)
        self.listing = Listing(
            watcher=self.watcher,
            rotation=self.rotation,
            quarantine=self.quarantine,
            resolve=self.feeds.resolve,
            clock=self.clock,
            changed=lambda: self.director.renew_next(),  # noqa: PLW0108 - the director is made below
            memory=ListMemory.loaded(settings.state_dir),
        )
        self.director = Director(
            rotation=self.rotation,
            quarantine=self.quarantine,
            playout=self.playout,
            make_feed=self.feeds.feed,
            expanded=self.listing.expand,
            recalled=self.listing.recall,
            clock=self.clock,
        )

    def _rotation(self) -> Rotation:
        """The order, where the run before left it."""
        settings = self.settings
        rotation = Rotation(order=OrderKind(settings.order), loop=settings.loop, seed=secrets.randbits(32))
        if (position := self.store.load()) is not None:
            rotation.restore(position)
        return rotation

    def _feeds(self) -> FeedParts:
        return FeedParts(
            self.settings,
            self.prepared,
            allowed=lambda: self.watcher.allowed,
            clock=self.clock,
            publish=self.events.publish,
            watching=self.ytdlp.requests.watching,
        )

    def preparer(self) -> Preparer | None:
        """Who prepares the coming items; None where nothing is kept."""
        if self.feeds.library is None:
            return None
        return Preparer(
            self.feeds.library,
            upcoming=lambda count: list(self.rotation.upcoming(count)),
            calm=self._calm,
            make_feed=self.feeds.unhurried,
            logo=lambda: self.feeds.branding.logo_digest,
            clock=self.clock,
        )

    def _calm(self) -> bool:
        """The item on air is well ahead of its viewers, and what is encoded now can be kept."""
        feed, seen = self.director.on_air, self.playout.on_air
        if not self.feeds.keeping or feed is None or seen is None or seen.showing.rung is not Rung.ITEM:
            return False
        return feed.buffer.finished or feed.buffer.seconds >= self.settings.buffer_seconds / 2

    def telegram(self, notifier: Notifier, expired: Callable[[], None]) -> TelegramParts | None:
        """The parts of the output `telegram`, where there is one."""
        for target in output_targets(self.settings):
            if target.kind is OutputKind.TELEGRAM:
                around = TelegramSurroundings(
                    fanout=self.fanout,
                    house=self.prepared.house,
                    events=self.events,
                    notifier=notifier,
                    clock=self.clock,
                    expired=expired,
                )
                return telegram_parts(target, self.loaded, around)
        return None

    def outputs(self, telegram: TelegramParts | None) -> tuple[OutputHandler, ...]:
        """A handler for each target of OUTPUTS."""
        return tuple(
            telegram.output.handler
            if telegram is not None and target.kind is OutputKind.TELEGRAM
            else output_handler(
                target,
                fanout=self.fanout,
                publish=self.events.publish,
                clock=self.clock,
                house=self.prepared.house,
                ffmpeg=self.prepared.ffmpeg,
            )
            for target in output_targets(self.settings)
        )

    def control(
        self,
        outputs: tuple[OutputHandler, ...],
        telegram: TelegramParts | None,
        more_warnings: Callable[[], list[str]],
    ) -> ControlParts:
        """What is said of these parts, and the verbs on them."""
        warnings = [
            *self.loaded.warnings,
            *self.prepared.warnings,
            *chat_problems(self.settings, has_telegram=telegram is not None),
        ]
        return control_parts(
            clock=self.clock,
            playout=self.playout,
            director=self.director,
            rotation=self.rotation,
            quarantine=self.quarantine,
            listing=self.listing,
            watcher=self.watcher,
            outputs=outputs,
            playlist=self.prepared.playlist,
            as_run=as_run_file(self.settings),
            warnings=lambda: [*warnings, *more_warnings()],
            telegram=telegram.facts if telegram is not None else TelegramFacts,
            live=self.live.takeover.facts if self.live is not None else None,
            reload_settings=SettingsReload(self.loaded, self._changed, checks=CHECKS).reload,
        )

    def _changed(self, settings: Settings) -> None:
        """Put other settings in force; what was begun with the old ones goes on with them."""
        self.settings = settings
        self.watcher.allow(settings.media_dirs)
        if self.feeds.change(settings):
            self.director.renew_next(look=True)

    def notifier(self) -> Notifier:
        """Who tells people of trouble."""
        return Notifier(
            notify_addresses(self.settings.notify_urls.get_secret_value()),
            after_seconds=self.settings.notify_after_seconds,
            clock=self.clock,
            redact=redaction(secret_values(self.settings)),
        )

    def _listen(self, change: Change, showing: Showing, reason: str) -> None:
        """The playout's word, from its thread into the loop's."""
        self.loop.call_soon_threadsafe(self._heard, change, showing, reason)

    def _heard(self, change: Change, showing: Showing, reason: str) -> None:
        if showing.rung is Rung.LIVE:
            if self.live is not None:
                self.live.takeover.heard(change, showing, reason)
        elif showing.rung is not Rung.FILLER:
            self.director.heard(change, showing, reason)
        elif self.filler is not None:
            self.filler.heard(change, showing)


def build(
    loaded: LoadedSettings, prepared: Prepared, folder: ClaimedFolder, *, expired: Callable[[], None] = lambda: None
) -> Parts:
    """Every part with what it needs; `expired` is called where no Telegram session is left. Raises ConfigError."""
    made = _Assembly(loaded, prepared)
    settings = loaded.settings
    notifier = made.notifier()
    telegram = made.telegram(notifier, expired)
    outputs = made.outputs(telegram)
    library = made.feeds.library
    control = made.control(outputs, telegram, lambda: [*filter(None, [metrics.warning]), *made.feeds.problems])
    station = control.station
    measured = Metrics(station.status, {"state": settings.state_dir, "library": settings.library_dir}, library)
    metrics = metrics_server(measured.text, settings)
    as_run = AsRunLog(as_run_file(settings), viewers=lambda: telegram.watch.viewers if telegram is not None else None)
    for part in (measured, control.reporter, control.recorder, as_run, notifier):
        made.events.subscribe(part.on_event)
    return Parts(
        clock=made.clock,
        playout=made.playout,
        fanout=made.fanout,
        director=made.director,
        listing=made.listing,
        place=PlaceKeeper(made.store, made.rotation, lambda: made.playout.item_seconds),
        filler=made.filler,
        library=library,
        preparer=made.preparer(),
        outputs=outputs,
        telegram=telegram,
        live=made.live,
        station=station,
        chat=chat_parts(settings, telegram, station, made.clock),
        recorder=control.recorder,
        as_run=as_run,
        metrics=metrics,
        notifier=notifier,
        heartbeat=Heartbeat(settings.heartbeat_url.get_secret_value(), status=station.status),
        ytdlp=made.ytdlp.watch(measured, replaced=made.listing.try_again),
        settings=settings,
        settings_now=lambda: made.settings,
        house=prepared.house,
        folder=folder,
    )


def as_run_file(settings: Settings) -> Path:
    """The as-run log."""
    return settings.state_dir / "as-run.jsonl"
