"""Makes every part of the service with what it needs, and starts none: read from top to bottom."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tg_video_streamer.app.chat import chat_problems, make_chat
from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.app.control import make_control
from tg_video_streamer.app.disks import disk_warnings
from tg_video_streamer.app.feeds import Feeds
from tg_video_streamer.app.keep_running import Anew, KeepRunning, keep_running
from tg_video_streamer.app.live import make_live
from tg_video_streamer.app.playout import make_program
from tg_video_streamer.app.restarts import Restarts
from tg_video_streamer.app.service import Service
from tg_video_streamer.app.setting_checks import CHECKS
from tg_video_streamer.app.startup import Prepared
from tg_video_streamer.app.telegram import TelegramContext, TelegramService, make_telegram
from tg_video_streamer.app.telegram_source import make_telegram_source
from tg_video_streamer.app.ytdlp import YtdlpUpdates
from tg_video_streamer.asrun.audience import FILE_NAME as AUDIENCE_FILE_NAME
from tg_video_streamer.asrun.audience_log import AudienceLog
from tg_video_streamer.asrun.log import FILE_NAME, AsRunLog
from tg_video_streamer.automation.program import Program
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.control.socket.claim import ClaimedFolder
from tg_video_streamer.control.status import ServiceWarning, WarningAction
from tg_video_streamer.events import AirContent, EventBus
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import Translator, environment_language
from tg_video_streamer.logs import redaction
from tg_video_streamer.monitoring.alerts.notifier import Notifier
from tg_video_streamer.monitoring.alerts.send import notify_addresses
from tg_video_streamer.monitoring.heartbeat import Heartbeat
from tg_video_streamer.monitoring.metrics import Metrics
from tg_video_streamer.monitoring.metrics_server import MetricsServer
from tg_video_streamer.monitoring.webhooks.sender import Webhooks
from tg_video_streamer.outputs.factory import output_handler
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.outputs.target import OutputKind
from tg_video_streamer.playlist.folders import FolderAllowlist
from tg_video_streamer.playlist.item import LocatorKind
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.resolve.media import Fetcher
from tg_video_streamer.settings.reload import SettingsReload
from tg_video_streamer.settings.settings import LoadedSettings, Settings, secret_values
from tg_video_streamer.settings.targets import output_targets

if TYPE_CHECKING:
    from tg_video_streamer.app.fleet import FleetTerm


def build(
    loaded: LoadedSettings,
    prepared: Prepared,
    folder: ClaimedFolder,
    *,
    expired: Callable[[], None] = lambda: None,
    fleet: FleetTerm | None = None,
    keep: KeepRunning = keep_running,
) -> Service:
    """The service, not started; `expired` is called where no Telegram session is left. Raises ConfigError.

    `keep` keeps each part running. `fleet`: this host's part in a fleet, which runs already; None for a channel of one host.
    """
    settings = loaded.settings
    context = _context(loaded, prepared, fleet)
    restarts = Restarts(clock=context.clock, publish=context.events.publish, redact=redaction(secret_values(settings)))
    context.events.on_failure(restarts.add)
    warnings: list[Callable[[], Sequence[Message] | Sequence[ServiceWarning]]] = []

    notifier = _notifier(context)
    telegram = _telegram(context, notifier, expired)
    source = make_telegram_source(context, notifier, telegram)

    allowed = FolderAllowlist()
    ytdlp = YtdlpUpdates(settings, clock=context.clock, publish=context.events.publish)
    feeds = Feeds(
        settings,
        prepared,
        allowed=allowed,
        clock=context.clock,
        publish=context.events.publish,
        watching=ytdlp.requests.watching,
        others={LocatorKind.TELEGRAM: source.source.resolve},
    )
    if feeds.spool is not None:
        feeds.spool.fetchers[Fetcher.TELEGRAM] = source.source.fetch
    shared = fleet.shared_library(feeds) if fleet is not None else None
    program = make_program(context, feeds, allowed, shared.elsewhere if shared is not None else None)
    program.bridge.on_failure(restarts.add)
    source.on_login(program.playlist.try_again)
    if feeds.spool is not None:
        source.on_login(partial(feeds.spool.spool.try_again, LocatorKind.TELEGRAM))
    source.source.on_outdated(program.playlist.outdated)
    live = make_live(context, program, feeds.branding.choose_untitled)

    outputs = _outputs(context, telegram)

    spool = feeds.spool.spool if feeds.spool is not None else None
    control = make_control(
        context,
        program,
        outputs,
        telegram=(telegram or source).facts,
        live=live.ask(lambda one: one.takeover.facts()) if live is not None else None,
        take=live.ask(lambda one: one.takeover.take()) if live is not None else None,
        library=feeds.library,
        resolve=feeds.resolve,
        spool=spool,
        parts=restarts.facts,
        encode_step=lambda: feeds.ladder.shown,
        encode_margin=lambda: feeds.ladder.margin,
        fleet=fleet.status if fleet is not None else None,
        forward=fleet.forward if fleet is not None else None,
        warnings=warnings,
    )
    commands = control.commands

    metrics = Metrics(commands.status, {"state": settings.state_dir, "library": settings.library_dir}, feeds.library)
    metrics_server = Anew(partial(_metrics_server, settings, metrics))
    as_run = AsRunLog(
        settings.state_dir / FILE_NAME, viewers=lambda: telegram.watch.viewers if telegram is not None else None
    )
    webhooks = Webhooks(
        settings.webhooks.get_secret_value().split(),
        secret=settings.webhook_secret.get_secret_value(),
        host=socket.gethostname(),
        state=lambda: commands.status().channel_state,
        clock=context.clock,
    )
    for part in (metrics, as_run, notifier, webhooks):
        context.events.subscribe(part.on_event)
    at_start = _startup_warnings(context, chat_problems(settings, has_telegram=telegram is not None))
    warnings += [
        disk_warnings,
        lambda: at_start,
        metrics_server.ask(MetricsServer.warnings),
        lambda: feeds.problems,
        program.scheduler.warnings,
        (telegram or source).keeper.warnings,
        fleet.warnings if fleet is not None else tuple,
        shared.warnings if shared is not None else tuple,
    ]

    if fleet is not None:
        fleet.tells(lambda: commands.status().channel_state, commands)
    return Service(
        context=context,
        fleet=fleet,
        folder=folder,
        as_run=as_run,
        library=feeds.library,
        shared_library=shared.part if shared is not None else None,
        as_run_sharing=fleet.as_run_sharing(as_run, settings.state_dir / FILE_NAME) if fleet is not None else None,
        spool=spool,
        program=program,
        live=live,
        audience=partial(_audience, context, program, telegram) if telegram is not None else None,
        telegram=telegram,
        telegram_source=source,
        outputs=outputs,
        control=control,
        chat=make_chat(context, telegram, commands),
        metrics=metrics_server,
        notifier=notifier,
        webhooks=webhooks,
        heartbeat=partial(Heartbeat, settings.heartbeat_url.get_secret_value(), status=commands.status),
        ytdlp=partial(ytdlp.watch, metrics, replaced=program.playlist.try_again),
        keep=partial(keep, restarts=restarts),
    )


def _context(loaded: LoadedSettings, prepared: Prepared, fleet: FleetTerm | None) -> BuildContext:
    return BuildContext(
        loaded=loaded,
        reload=SettingsReload(loaded, checks=CHECKS),
        prepared=prepared,
        clock=SystemClock(),
        events=EventBus(asyncio.get_running_loop()),
        fanout=Fanout(
            prepared.slate.headers,
            prepared.house.frame_rate,
            may_send=fleet.guard.may_send if fleet is not None else lambda: True,
        ),
        translator=Translator(language=environment_language(os.environ)),
    )


def _notifier(context: BuildContext) -> Notifier:
    settings = context.settings
    return Notifier(
        notify_addresses(settings.notify_urls.get_secret_value()),
        after_seconds=settings.notify_after_seconds,
        clock=context.clock,
        redact=redaction(secret_values(settings)),
        translator=context.translator,
    )


def _audience(context: BuildContext, program: Program, telegram: TelegramService) -> AudienceLog:
    """The log of who watches in Telegram."""

    def on_air() -> AirContent | None:
        started = program.playout.on_air
        return started.content if started is not None else None

    return AudienceLog(
        context.settings.state_dir / AUDIENCE_FILE_NAME,
        viewers=lambda: telegram.watch.viewers,
        on_air=on_air,
        clock=context.clock,
    )


def _metrics_server(settings: Settings, metrics: Metrics) -> MetricsServer:
    return MetricsServer(
        metrics.text,
        host=settings.prometheus_host,
        port=settings.prometheus_port,
        textfile=settings.state_dir / "metrics.prom",
    )


def _startup_warnings(context: BuildContext, more: Sequence[Message]) -> list[ServiceWarning]:
    found = (*map(Message.raw, context.loaded.warnings), *context.prepared.warnings, *more)
    return [ServiceWarning(message=one, actions=(WarningAction.OPEN_SETTINGS,)) for one in found]


def _telegram(context: BuildContext, notifier: Notifier, expired: Callable[[], None]) -> TelegramService | None:
    """The parts of the output `telegram`, where there is one."""
    around = TelegramContext(
        fanout=context.fanout,
        house=context.prepared.house,
        events=context.events,
        notifier=notifier,
        clock=context.clock,
        expired=expired,
    )
    targets = (target for target in output_targets(context.settings) if target.kind is OutputKind.TELEGRAM)
    return next((make_telegram(target, context.loaded, around) for target in targets), None)


def _outputs(context: BuildContext, telegram: TelegramService | None) -> tuple[OutputHandler, ...]:
    """A handler for each target of OUTPUTS."""
    return tuple(
        telegram.output.handler
        if telegram is not None and target.kind is OutputKind.TELEGRAM
        else output_handler(
            target,
            fanout=context.fanout,
            publish=context.events.publish,
            clock=context.clock,
            house=context.prepared.house,
            ffmpeg=context.prepared.ffmpeg,
        )
        for target in output_targets(context.settings)
    )
