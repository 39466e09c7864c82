"""Everything that decides what plays, as one value for those who start it, report on it and steer it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tg_video_streamer.automation.backup import BackupPlayer
from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.file_check import FileCheck
from tg_video_streamer.automation.filler import FillerPlayer
from tg_video_streamer.automation.holds import Holds
from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.automation.playout_bridge import PlayoutBridge
from tg_video_streamer.automation.position_saver import PositionSaver
from tg_video_streamer.automation.preparer import Preparer
from tg_video_streamer.automation.program_state import ProgramState
from tg_video_streamer.automation.scheduler import Scheduler
from tg_video_streamer.automation.spooler import Spooler
from tg_video_streamer.playlist.folders import FolderAllowlist
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import PlaylistWatcher
from tg_video_streamer.playout.playout import Playout


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """The parts of the program; each belongs to the event loop's thread but for the playout's own."""

    playout: Playout
    bridge: PlayoutBridge
    watcher: PlaylistWatcher
    playlist: PlaylistSync
    rotation: Rotation
    quarantine: Quarantine
    director: Director
    scheduler: Scheduler
    position_saver: PositionSaver
    holds: Holds
    state: ProgramState
    allowed: FolderAllowlist
    """Where items may lie, of whichever list they are."""
    backup: BackupPlayer
    file_check: FileCheck
    filler: FillerPlayer | None
    """The clips of FILLER_DIR, or the last good item."""
    preparer: Callable[[], Preparer] | None
    """None without a library."""
    spooler: Callable[[], Spooler] | None = None
    """None without a spool."""
