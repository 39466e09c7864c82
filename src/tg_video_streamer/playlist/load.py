"""Reads playlists and lists from disk; of the files in them it checks only the folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.file_names import existing_path, shown
from tg_video_streamer.playlist.folders import LIST_EXTENSIONS, AllowedFolders
from tg_video_streamer.playlist.item import LocatorKind
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.playlist.parser import Entry, Playlist, Problem, decode, is_manifest, parse

_DEEPEST_LIST = 3
MAX_LIST_BYTES = 64 * 1024 * 1024


def allowed_folders(playlist: Path, media_folders: tuple[Path, ...] = ()) -> AllowedFolders:
    """The playlist's own folder (of the file itself, where `playlist` is a link to it) and the media folders."""
    real = (Path(os.path.realpath(folder)) for folder in media_folders)
    return AllowedFolders.of((Path(os.path.realpath(playlist)).parent, *media_folders, *real))


def load(playlist: Path, allowed: AllowedFolders) -> Playlist:
    """The playlist file as it is now. A missing or unreadable one is an empty Playlist with a problem on line 0.

    Blocks for the time of the read; call it in a thread. No content of the file raises an error.
    """
    real = Path(os.path.realpath(playlist))
    try:
        text = read_text(real)
    except PlaylistError as error:
        return Playlist(problems=(Problem(line=0, what=error.full_message),))
    if is_manifest(text):
        # An HLS manifest is one item, also as the playlist itself.
        item = parse_line(f"./{real.name}", base=str(real.parent), allowed=allowed)
        return Playlist(entries=(Entry(line=1, item=item),))
    return _without_escapes(parse(text, base=str(real.parent), allowed=allowed), allowed)


def read_text(path: Path) -> str:
    """The text of a list; raises PlaylistError where it is missing, unreadable, too large or binary."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise PlaylistError.of("list.unreadable", path=str(path), detail=str(error.strerror)) from error
    if len(data) > MAX_LIST_BYTES:
        raise PlaylistError.of("list.too_large", path=str(path), limit=MAX_LIST_BYTES // 1024**2)
    return decode(data)


def missing_files(playlist: Playlist, allowed: AllowedFolders) -> tuple[Problem, ...]:
    """A problem for each entry whose file does not exist, also in lists; checks every file, so only for `check`."""
    return tuple(_missing(playlist, allowed, depth=1))


def _missing(playlist: Playlist, allowed: AllowedFolders, *, depth: int) -> Iterator[Problem]:
    for entry in playlist.entries:
        for item in entry.item.with_backups():
            if item.kind is LocatorKind.FILE:
                yield from _missing_file(entry.line, item.locator, allowed, depth=depth)


def _missing_file(line: int, locator: str, allowed: AllowedFolders, *, depth: int) -> Iterator[Problem]:
    path = existing_path(locator)
    if path is None or not Path(path).exists():
        yield Problem(line=line, what=PlaylistError.of("line.missing", path=shown(locator)).full_message)
    elif Path(path).suffix.lower() in LIST_EXTENSIONS and depth < _DEEPEST_LIST:
        yield from _problems_of_list(line, Path(path), allowed, depth=depth + 1)


def _problems_of_list(line: int, path: Path, allowed: AllowedFolders, *, depth: int) -> Iterator[Problem]:
    """The problems of a list that is an item, as problems of the item's line."""
    try:
        allowed.require_real(str(path))
        text = read_text(path)
    except PlaylistError as error:
        yield Problem(line=line, what=error.full_message)
        return
    if is_manifest(text):
        return
    listed = parse(text, base=str(path.parent), allowed=allowed)
    for problem in (*listed.problems, *_missing(listed, allowed, depth=depth)):
        yield Problem(line=line, what=Message.of("list.problem", path=shown(str(path)), problem=problem.message))


def _without_escapes(playlist: Playlist, allowed: AllowedFolders) -> Playlist:
    """Refuse entries whose folder leads out of the allowed ones through a link.

    One check per folder, not per file: 100,000 files on a network disk must not delay a reload. A file that is itself a
    link is checked when it is resolved.
    """
    inside: dict[str, bool] = {}
    entries: list[Entry] = []
    problems = list(playlist.problems)
    for entry in playlist.entries:
        item = entry.item
        if item.kind is LocatorKind.FILE:
            folder = item.locator.rpartition("/")[0] or "/"
            known = inside.get(folder)
            if known is None:
                # An entry may be the allowed folder itself: then its parent is outside.
                known = inside[folder] = not allowed.contains(folder) or allowed.contains_real(folder)
            if not known:
                escaped = PlaylistError.of("line.link_outside", path=item.locator)
                problems.append(Problem(line=entry.line, what=escaped.full_message))
                continue
        entries.append(entry)
    problems.sort(key=lambda problem: problem.line)
    return Playlist(entries=tuple(entries), problems=tuple(problems))
