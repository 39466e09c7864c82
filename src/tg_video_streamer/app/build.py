"""Makes every part of the service with what it needs, and starts none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tg_video_streamer.app.chat import chat_parts, chat_problems
from tg_video_streamer.app.control import ControlParts, control_parts
from tg_video_streamer.app.feeds import FeedParts
from tg_video_streamer.app.playout import ProgramParts
from tg_video_streamer.app.service import Parts
from tg_video_streamer.app.setting_checks import CHECKS
from tg_video_streamer.app.startup import Prepared
from tg_video_streamer.app.telegram import TelegramParts, TelegramSurroundings, telegram_parts
from tg_video_streamer.app.ytdlp import YtdlpUpdates
from tg_video_streamer.asrun.log import AsRunLog
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.control.socket.claim import ClaimedFolder
from tg_video_streamer.control.status import TelegramFacts
from tg_video_streamer.events import EventBus
from tg_video_streamer.logs import redaction
from tg_video_streamer.monitoring.alerts.notifier import Notifier
from tg_video_streamer.monitoring.alerts.send import notify_addresses
from tg_video_streamer.monitoring.heartbeat import Heartbeat
from tg_video_streamer.monitoring.metrics import Metrics
from tg_video_streamer.monitoring.metrics_server import MetricsServer
from tg_video_streamer.outputs.factory import output_handler
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.outputs.target import OutputKind
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.settings.reload import SettingsReload
from tg_video_streamer.settings.settings import LoadedSettings, Settings, secret_values
from tg_video_streamer.settings.targets import output_targets


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
        self.ytdlp = YtdlpUpdates(settings, clock=self.clock, publish=self.events.publish)
        self.program = ProgramParts(
            settings,
            prepared,
            feeds=self._feeds,
            fanout=self.fanout,
            events=self.events,
            clock=self.clock,
            loop=self.loop,
        )

    def _feeds(self, allowed: Callable[[], AllowedFolders]) -> FeedParts:
        return FeedParts(
            self.settings,
            self.prepared,
            allowed=allowed,
            clock=self.clock,
            publish=self.events.publish,
            watching=self.ytdlp.requests.watching,
        )

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
            playout=self.program.playout,
            director=self.program.director,
            rotation=self.program.rotation,
            quarantine=self.program.quarantine,
            listing=self.program.listing,
            watcher=self.program.watcher,
            scheduler=self.program.scheduler,
            allowed=self.program.allowed,
            outputs=outputs,
            playlist=self.prepared.playlist,
            as_run=as_run_file(self.settings),
            warnings=lambda: [*warnings, *more_warnings(), *self.program.scheduler.warnings()],
            telegram=telegram.facts if telegram is not None else TelegramFacts,
            live=self.program.live.takeover.facts if self.program.live is not None else None,
            reload_settings=SettingsReload(self.loaded, self._changed, checks=CHECKS).reload,
        )

    def _changed(self, settings: Settings) -> None:
        """Put other settings in force; what was begun with the old ones goes on with them."""
        self.settings = settings
        self.program.change(settings)

    def notifier(self) -> Notifier:
        """Who tells people of trouble."""
        return Notifier(
            notify_addresses(self.settings.notify_urls.get_secret_value()),
            after_seconds=self.settings.notify_after_seconds,
            clock=self.clock,
            redact=redaction(secret_values(self.settings)),
        )


def build(
    loaded: LoadedSettings, prepared: Prepared, folder: ClaimedFolder, *, expired: Callable[[], None] = lambda: None
) -> Parts:
    """Every part with what it needs; `expired` is called where no Telegram session is left. Raises ConfigError."""
    made = _Assembly(loaded, prepared)
    settings, program = loaded.settings, made.program
    telegram = made.telegram(notifier := made.notifier(), expired)
    outputs = made.outputs(telegram)
    library = program.feeds.library
    control = made.control(outputs, telegram, lambda: [*filter(None, [metrics.warning]), *program.feeds.problems])
    station = control.station
    measured = Metrics(station.status, {"state": settings.state_dir, "library": settings.library_dir}, library)
    metrics = MetricsServer(
        measured.text,
        host=settings.prometheus_host,
        port=settings.prometheus_port,
        textfile=settings.state_dir / "metrics.prom",
    )
    as_run = AsRunLog(as_run_file(settings), viewers=lambda: telegram.watch.viewers if telegram is not None else None)
    for part in (measured, control.reporter, control.recorder, as_run, notifier):
        made.events.subscribe(part.on_event)
    return Parts(
        clock=made.clock,
        playout=program.playout,
        fanout=made.fanout,
        director=program.director,
        listing=program.listing,
        scheduler=program.scheduler,
        place=program.place(),
        filler=program.filler,
        library=library,
        preparer=program.preparer(),
        outputs=outputs,
        telegram=telegram,
        live=program.live,
        station=station,
        chat=chat_parts(settings, telegram, station, made.clock),
        recorder=control.recorder,
        as_run=as_run,
        metrics=metrics,
        notifier=notifier,
        heartbeat=Heartbeat(settings.heartbeat_url.get_secret_value(), status=station.status),
        ytdlp=made.ytdlp.watch(measured, replaced=program.listing.try_again),
        settings=settings,
        settings_now=lambda: made.settings,
        house=prepared.house,
        folder=folder,
    )


def as_run_file(settings: Settings) -> Path:
    """The as-run log."""
    return settings.state_dir / "as-run.jsonl"
