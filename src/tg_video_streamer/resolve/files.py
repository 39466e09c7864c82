"""Resolves local items in allowed folders: media files, folders, lists and HLS manifests."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from urllib.parse import unquote

import structlog

from tg_video_streamer.errors import PlaylistError, ResolveError, SourceGone, SourceUnfinished
from tg_video_streamer.ffmpeg.binary import fingerprint
from tg_video_streamer.languages import NO_PREFERENCE, TrackPreference
from tg_video_streamer.playlist.file_names import existing_path, shown
from tg_video_streamer.playlist.folders import LIST_EXTENSIONS, AllowedFolders, media_files
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.load import read_text
from tg_video_streamer.playlist.parser import is_manifest, parse
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput
from tg_video_streamer.resolve.unfinished import is_still_written

_REFERENCE_ATTRIBUTE = re.compile(r'URI="([^"]*)"')
_DEEPEST_MANIFEST = 3
_PROBLEMS_LOGGED = 20
_SUBTITLE_SUFFIXES = frozenset({".srt", ".ass", ".ssa", ".vtt"})
_MOST_SUBTITLE_FILES = 40

log = structlog.get_logger(__name__)


def resolve_file(
    item: Item, allowed: AllowedFolders, *, preference: TrackPreference = NO_PREFERENCE
) -> Media | Expansion:
    """What is at the path of `item` now. Blocks for the disk. `preference`: the channel's languages.

    Raises SourceGone if it is missing, empty, not a file or outside `allowed`, ResolveError if it cannot be read now.
    """
    path = Path(existing_path(item.locator) or item.locator)
    try:
        allowed.require_real(str(path))
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return _folder(item, path)
        if not stat.S_ISREG(found.st_mode):
            raise SourceGone.of("source.no_file", path=str(path))
        if found.st_size == 0:
            raise SourceGone.of("source.empty", path=str(path))
        if not os.access(path, os.R_OK):
            raise ResolveError.of("source.not_allowed", path=str(path))
        if path.suffix.lower() in LIST_EXTENSIONS:
            return _list(item, path, allowed)
        if is_still_written(path, found):
            raise SourceUnfinished.of("source.still_written", path=shown(str(path)))
    except FileNotFoundError:
        raise SourceGone.of("line.missing", path=str(path)) from None
    except PlaylistError as error:
        raise SourceGone.because_of(error) from error
    except OSError as error:
        raise ResolveError.of("source.unreadable", path=str(path), detail=str(error.strerror)) from error
    files = subtitle_files(path, allowed) if item.tracks(preference).subtitles else {}
    return Media(
        inputs=(MediaInput(location=str(path), is_file=True),),
        title=item.title or shown(path.stem),
        source_id=" ".join((f"{path} {found.st_size} {found.st_mtime_ns}", *files.values())),
        subtitle_files=tuple(files),
    )


def subtitle_files(path: Path, allowed: AllowedFolders) -> dict[str, str]:
    """The subtitle files next to a media file, such as film.ru.srt, and what changes with the content of each."""
    found: dict[str, str] = {}
    try:
        files = sorted(path.parent.iterdir())
    except OSError:
        # The film itself can be read, so it plays; only the folder cannot be listed.
        log.warning("subtitle files not looked for: the folder cannot be listed", folder=str(path.parent))
        return {}
    for file in files:
        mine = file.stem == path.stem or file.stem.startswith(f"{path.stem}.")
        if not mine or file.suffix.lower() not in _SUBTITLE_SUFFIXES:
            continue
        if allowed.contains_real(str(file)) and file.is_file() and len(found) < _MOST_SUBTITLE_FILES:
            found[str(file)] = fingerprint(file)
    return found


def _folder(item: Item, path: Path) -> Expansion:
    children = tuple(item.child(LocatorKind.FILE, str(file)) for file in media_files(path))
    return Expansion(children=children, title=item.title or shown(path.name))


def _list(item: Item, path: Path, allowed: AllowedFolders) -> Media | Expansion:
    text = read_text(path)
    if is_manifest(text):
        _require_inside(path, text, allowed, depth=1)
        found = path.stat()
        return Media(
            inputs=(MediaInput(location=str(path), is_file=True, is_manifest=True),),
            title=item.title or shown(path.stem),
            source_id=f"{path} {found.st_size} {found.st_mtime_ns}",
            is_live="#EXT-X-ENDLIST" not in text and "#EXT-X-STREAM-INF" not in text,
        )
    listed = parse(text, base=str(path.parent), allowed=allowed)
    for problem in listed.problems[:_PROBLEMS_LOGGED]:
        log.warning("list line left out", file=str(path), problem=str(problem))
    return Expansion(children=listed.items, title=item.title or shown(path.stem))


def _require_inside(path: Path, text: str, allowed: AllowedFolders, *, depth: int) -> None:
    """Refuse a manifest that names anything but http(s) URLs and files in allowed folders; follows nested manifests."""
    for number, line in enumerate(text.splitlines(), start=1):
        references = _REFERENCE_ATTRIBUTE.findall(line) if line.startswith("#") else [line.strip()]
        for reference in filter(None, references):
            if re.match(r"https?://", reference, re.IGNORECASE):
                continue
            target = os.path.normpath(path.parent / unquote(reference.split("?")[0]))
            if re.match(r"[A-Za-z][A-Za-z0-9+.,-]*:", reference) or not allowed.contains(target):
                raise SourceGone.of("source.manifest_line", path=str(path), line=number)
            allowed.require_real(target)
            if target.lower().endswith(tuple(LIST_EXTENSIONS)):
                if depth >= _DEEPEST_MANIFEST:
                    raise SourceGone.of("source.nested", path=str(path))
                _require_inside(Path(target), read_text(Path(target)), allowed, depth=depth + 1)
