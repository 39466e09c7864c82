"""Makes what reports on the service and what carries out commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version

from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.asrun.log import FILE_NAME
from tg_video_streamer.asrun.reader import recent_spans
from tg_video_streamer.automation.program import Program
from tg_video_streamer.control.command_handler import CommandHandler, Forward
from tg_video_streamer.control.history_sampler import HistorySampler
from tg_video_streamer.control.looks import Looks
from tg_video_streamer.control.playlist_file import PlaylistFile
from tg_video_streamer.control.playlist_table import PlaylistTable
from tg_video_streamer.control.reporter import Reporter
from tg_video_streamer.control.status import FleetStatus, PartStatus, ServiceWarning, TelegramFacts
from tg_video_streamer.ingest.takeover import LiveFacts
from tg_video_streamer.library.library import Library
from tg_video_streamer.locales.message import Message
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.resolve.media import Resolve
from tg_video_streamer.spool.spool import Spool


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """Subscribed to the event bus."""

    reporter: Reporter
    history: HistorySampler
    commands: CommandHandler
    looks: Looks


def make_control(
    context: BuildContext,
    program: Program,
    outputs: Sequence[OutputHandler],
    *,
    telegram: Callable[[], TelegramFacts],
    live: Callable[[], LiveFacts] | None,
    take: Callable[[], None] | None,
    library: Library | None,
    resolve: Resolve,
    spool: Spool | None,
    parts: Callable[[], tuple[PartStatus, ...]],
    encode_step: Callable[[], str],
    encode_margin: Callable[[], float | None],
    fleet: Callable[[], FleetStatus] | None,
    forward: Forward | None,
    warnings: Sequence[Callable[[], Sequence[Message] | Sequence[ServiceWarning]]],
) -> Control:
    """Reports and commands of these parts; `warnings` are asked at each status."""
    began = context.clock.wall()
    as_run = context.settings.state_dir / FILE_NAME
    reporter = Reporter(
        version=installed_version("tg-video-streamer"),
        clock=context.clock,
        program=program,
        outputs=outputs,
        warnings=warnings,
        telegram=telegram,
        live=live,
        spool=spool.report if spool is not None else None,
        parts=parts,
        encode_step=encode_step,
        encode_margin=encode_margin,
        fleet=fleet,
    )
    history = HistorySampler(
        clock=context.clock,
        status=reporter.status,
        refresh=reporter.check_files,
        earlier=lambda: recent_spans(as_run, began),
    )
    playlist = PlaylistFile(context.prepared.playlist, allowed=program.watcher.own_allowed)
    commands = CommandHandler(
        reporter=reporter,
        history=history,
        program=program,
        playlist=playlist,
        table=PlaylistTable(
            playlist, program=program, clock=context.clock, library=library, spool=spool, as_run=as_run
        ),
        reload_settings=context.reload.reload,
        forward=forward,
        take=take,
    )
    for part in (reporter, history):
        context.events.subscribe(part.on_event)
    looks = Looks(
        resolve,
        parse=lambda line: parse_line(line, base=str(playlist.folder), allowed=program.allowed()),
        item=program.playlist.item,
        allowed=program.watcher.own_allowed,
    )
    return Control(reporter=reporter, history=history, commands=commands, looks=looks)
