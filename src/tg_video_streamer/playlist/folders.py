"""Which files may be played: those in the playlist's folder and in the media folders, links resolved."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tg_video_streamer.errors import PlaylistError

MEDIA_EXTENSIONS = frozenset(
    {
        ".3gp",
        ".aac",
        ".avi",
        ".flac",
        ".flv",
        ".gif",
        ".jpeg",
        ".jpg",
        ".m2ts",
        ".m4a",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".oga",
        ".ogg",
        ".ogv",
        ".opus",
        ".png",
        ".ts",
        ".vob",
        ".wav",
        ".webm",
        ".webp",
        ".wma",
        ".wmv",
    }
)
"""The files of a folder that play, in lower case; a file that the playlist names may have any extension."""
LIST_EXTENSIONS = frozenset({".m3u", ".m3u8"})


@dataclass(frozen=True, slots=True)
class AllowedFolders:
    """Absolute, normalized folders; no file outside them is ever opened."""

    folders: tuple[str, ...]
    _prefixes: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Computed once: a long list checks each of its lines."""

    def __post_init__(self) -> None:
        prefixes = tuple(folder.rstrip("/") + "/" for folder in self.folders)
        object.__setattr__(self, "_prefixes", prefixes)  # a derived field of a frozen dataclass

    @classmethod
    def of(cls, folders: Iterable[str | os.PathLike[str]]) -> AllowedFolders:
        """Relative folders start at the working directory; a folder need not exist yet. Resolves no link."""
        return cls(tuple(dict.fromkeys(os.path.normpath(Path(folder).absolute()) for folder in folders)))

    def contains(self, path: str) -> bool:
        """Whether the absolute, normalized `path` is in one of the folders by its name; no disk access."""
        return path.startswith(self._prefixes) or path in self.folders

    def contains_real(self, path: str) -> bool:
        """Whether `path` is in one of the folders after every symbolic link is resolved."""
        real = os.path.realpath(path)
        return any(_within(real, os.path.realpath(folder)) for folder in self.folders)

    def require_real(self, path: str) -> None:
        """Raise PlaylistError where `path` leads out of the folders; call it before opening a file."""
        if not self.contains_real(path):
            raise PlaylistError.of("line.link_outside", path=path)


class FolderAllowlist:
    """The allowed folders by owner: playlist and schedule. Calling it returns all together."""

    def __init__(self) -> None:
        self._by_owner: dict[str, AllowedFolders] = {}
        self._all = AllowedFolders.of(())

    def allow(self, owner: str, folders: AllowedFolders) -> None:
        """Replace the folders of `owner`."""
        self._by_owner[owner] = folders
        self._all = AllowedFolders.of(folder for one in self._by_owner.values() for folder in one.folders)

    def __call__(self) -> AllowedFolders:
        """All allowed folders; callable from any thread."""
        return self._all


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith("/") else folder + "/")


def natural_order(name: str) -> tuple[list[str | int], str]:
    """A sort key that puts "Part 2" before "Part 10" and ignores case."""
    pieces = re.split(r"(\d+)", name.casefold())
    return [int(piece) if index % 2 else piece for index, piece in enumerate(pieces)], name


def media_files(folder: Path) -> list[Path]:
    """The playable files of `folder` and its subfolders in natural order: own files first, then each subfolder.

    Hidden names and linked subfolders are left out. Raises PlaylistError where the folder cannot be read.
    """
    try:
        with os.scandir(folder) as scan:
            found = sorted((entry for entry in scan if not entry.name.startswith(".")), key=_entry_order)
    except OSError as error:
        raise PlaylistError.of("folder.unreadable", path=str(folder), detail=str(error.strerror)) from error
    files = [
        Path(entry.path)
        for entry in found
        if not _is_folder(entry) and Path(entry.name).suffix.lower() in MEDIA_EXTENSIONS
    ]
    for entry in found:
        if _is_folder(entry):
            files += media_files(Path(entry.path))
    return files


def _entry_order(entry: os.DirEntry[str]) -> tuple[list[str | int], str]:
    return natural_order(entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)
