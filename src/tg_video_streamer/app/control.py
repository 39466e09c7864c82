"""What the control room is made of: who says what is true, who remembers it, and the verbs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

from tg_video_streamer.asrun.reader import recent_spans
from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.automation.scheduler import Scheduler
from tg_video_streamer.clock import Clock
from tg_video_streamer.control.command_handler import CommandHandler
from tg_video_streamer.control.history_sampler import HistorySampler
from tg_video_streamer.control.playlist_file import PlaylistFile
from tg_video_streamer.control.reporter import Reporter
from tg_video_streamer.control.status import TelegramFacts
from tg_video_streamer.ingest.takeover import LiveFacts
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.playlist.load import allowed_folders
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import PlaylistWatcher
from tg_video_streamer.playout.playout import Playout


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlParts:
    """Made, but not subscribed to the event bus."""

    reporter: Reporter
    recorder: HistorySampler
    station: CommandHandler


def control_parts(
    *,
    clock: Clock,
    playout: Playout,
    director: Director,
    rotation: Rotation,
    quarantine: Quarantine,
    listing: PlaylistSync,
    watcher: PlaylistWatcher,
    scheduler: Scheduler,
    allowed: Callable[[], AllowedFolders],
    outputs: Sequence[OutputHandler],
    playlist: Path,
    as_run: Path,
    warnings: Callable[[], Sequence[str]],
    telegram: Callable[[], TelegramFacts],
    reload_settings: Callable[[], str],
    live: Callable[[], LiveFacts] | None,
) -> ControlParts:
    """The control room of these parts; what is queued may lie in the `allowed` folders; `warnings` and `reload_settings` as Reporter and CommandHandler take them."""
    began = clock.wall()
    reporter = Reporter(
        version=installed_version("tg-video-streamer"),
        clock=clock,
        playout=playout,
        director=director,
        rotation=rotation,
        quarantine=quarantine,
        listing=listing,
        outputs=outputs,
        warnings=warnings,
        telegram=telegram,
        live=live,
    )
    recorder = HistorySampler(clock=clock, status=reporter.status, earlier=lambda: recent_spans(as_run, began))
    station = CommandHandler(
        reporter=reporter,
        recorder=recorder,
        playout=playout,
        director=director,
        rotation=rotation,
        watcher=watcher,
        scheduler=scheduler,
        playlist=PlaylistFile(playlist, allowed=lambda: allowed_folders(playlist, watcher.media_folders)),
        parse_line=lambda line: parse_line(line, base=str(playlist.parent), allowed=allowed()),
        reload_settings=reload_settings,
    )
    return ControlParts(reporter=reporter, recorder=recorder, station=station)
