"""Which local files lists name, with the lists in them; reads the lists, so call it in a thread."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tg_video_streamer.playlist.folders import LIST_EXTENSIONS, AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.load import read_text
from tg_video_streamer.playlist.parser import parse

_DEEPEST_LIST = 3


@dataclass(kw_only=True, slots=True)
class FileUses:
    """What is named: a file itself, or a folder above it."""

    paths: set[str] = field(default_factory=set)

    def add_items(self, items: Iterable[Item], allowed: AllowedFolders, *, depth: int = 0) -> None:
        """The files of `items` and of their backups; an `.m3u` counts with all that it lists."""
        for item in (each for one in items for each in one.with_backups()):
            if item.kind is not LocatorKind.FILE:
                continue
            self.paths.update({item.locator, os.path.realpath(item.locator)})
            if Path(item.locator).suffix.lower() in LIST_EXTENSIONS and depth < _DEEPEST_LIST:
                self.add_list(Path(item.locator), allowed, depth=depth + 1)

    def add_list(self, path: Path, allowed: AllowedFolders, *, depth: int = 0) -> None:
        """What a list names. Raises PlaylistError where the list is there and cannot be read: it may name anything."""
        if not path.exists():
            return
        real = Path(os.path.realpath(path))
        self.add_items(parse(read_text(real), base=str(real.parent), allowed=allowed).items, allowed, depth=depth)

    def has(self, path: Path) -> bool:
        """Whether `path` or a folder above it is named."""
        whole = {str(path), os.path.realpath(path)}
        return any(one in self.paths or any(str(above) in self.paths for above in Path(one).parents) for one in whole)
