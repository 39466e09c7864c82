"""Lists one of the allowed folders for the operator; reads the disk, so call it in a thread."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.folders import MEDIA_EXTENSIONS, AllowedFolders

MOST_NAMES = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderView:
    """What is in a folder; `folder` and `parent` are empty above the allowed ones, where these are the folders."""

    folder: str
    parent: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    """Whole paths, as in `folders`."""
    left_out: int = 0
    """Names beyond MOST_NAMES."""


def browse(folder: str, allowed: AllowedFolders) -> FolderView:
    """The folders and media files in `folder`, hidden names left out; empty: the allowed folders themselves.

    Raises PlaylistError where it is outside them, also through a link, or cannot be read.
    """
    if not folder:
        return FolderView(folder="", parent="", folders=tuple(sorted(allowed.folders)), files=())
    path = os.path.normpath(folder)
    if not path.startswith("/") or not allowed.contains(path):
        raise PlaylistError.of("line.outside", path=path)
    if path not in allowed.folders:
        allowed.require_real(path)
    try:
        with os.scandir(path) as scan:
            found = sorted((one for one in scan if not one.name.startswith(".")), key=lambda one: one.name.casefold())
            folders = [one.path for one in found if one.is_dir()]
            files = [one.path for one in found if one.is_file() and Path(one.name).suffix.lower() in MEDIA_EXTENSIONS]
    except OSError as error:
        raise PlaylistError.of("folder.unreadable", path=path, detail=str(error.strerror)) from error
    shown = [one for one in (*folders, *files) if one.isprintable()][:MOST_NAMES]
    parent = str(Path(path).parent)
    return FolderView(
        folder=path,
        parent=parent if allowed.contains(parent) else "",
        folders=tuple(one for one in folders if one in set(shown)),
        files=tuple(one for one in files if one in set(shown)),
        left_out=max(0, len(folders) + len(files) - len(shown)),
    )
