"""Reads `schedule.toml` from disk and checks the files in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.errors import ScheduleError
from tg_video_streamer.file_watch import Fingerprint, fingerprint
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.load import allowed_folders
from tg_video_streamer.playlist.load import load as load_playlist
from tg_video_streamer.schedule.parser import parse
from tg_video_streamer.schedule.schedule import Schedule

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleSource:
    """The schedule's file, and the folders allowed besides its own."""

    path: Path
    media_folders: tuple[Path, ...] = ()

    def fingerprint(self) -> Fingerprint:
        """Differs after each change of the file."""
        return fingerprint(self.path)


def load(source: ScheduleSource) -> Schedule:
    """The schedule on disk now; an empty one without a file. Blocks for the time of the read.

    Raises ScheduleError with a line for each problem.
    """
    real = Path(os.path.realpath(source.path))
    try:
        with real.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Schedule()
    except OSError as error:
        raise ScheduleError([f"cannot be read: {error.strerror}; make it a file that the service may read"]) from None
    if len(data) > MAX_BYTES:
        raise ScheduleError(["is larger than 1 MB; is this a schedule?"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScheduleError([f"line {line}: has bytes that are not UTF-8; save the file as UTF-8"]) from None
    return parse(text, base=str(real.parent), allowed=allowed_folders(source.path, source.media_folders))


def folders_of(schedule: Schedule, source: ScheduleSource) -> AllowedFolders:
    """The allowed folders for the items of a schedule and its playlists."""
    found = allowed_folders(source.path, source.media_folders).folders
    for part in schedule.parts:
        found += allowed_folders(part.playlist).folders
    return AllowedFolders.of(found)


def missing(schedule: Schedule, source: ScheduleSource) -> list[str]:
    """A line for each missing file and each empty playlist; for `check`."""
    found = []
    for path in dict.fromkeys(part.playlist for part in schedule.parts):
        playlist = load_playlist(path, allowed_folders(path, source.media_folders))
        found += [f"playlist {path}: {problem}" for problem in playlist.problems]
        if not playlist.entries and not playlist.problems:
            found.append(f"playlist {path} lists nothing to play; write a file, folder or URL into it, one a line")
    station_items = schedule.station_id.items if schedule.station_id is not None else ()
    items: list[tuple[str, Item]] = [(f"show ({show.title})", show.item) for show in schedule.shows]
    items += [("station_id", item) for item in station_items]
    for what, item in items:
        if item.kind is LocatorKind.FILE and not Path(item.locator).exists():
            found.append(f"{what}: {item.locator} does not exist; correct the path or add the file")
    return found
