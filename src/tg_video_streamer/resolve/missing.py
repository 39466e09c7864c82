"""Finds out which of many local items have no file now: one request for each folder, and no child process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs
from tg_video_streamer.playlist.file_names import existing_path
from tg_video_streamer.playlist.item import Item


async def missing_files(items: Iterable[Item], *, known: frozenset[str]) -> frozenset[str]:
    """The keys of `items` whose files are missing; for a disk that does not answer, as `known` has them."""
    missing: set[str] = set()
    by_folder: dict[Path, list[Item]] = {}
    for item in items:
        by_folder.setdefault(Path(item.locator).parent, []).append(item)
    for folder, found in by_folder.items():
        try:
            missing |= await DISKS.run(folder, _missing, found)
        except DiskHangs:
            missing |= known & {one.key for one in found}
    return frozenset(missing)


def _missing(items: Sequence[Item]) -> frozenset[str]:
    return frozenset(one.key for one in items if not _exists(one.locator))


def _exists(locator: str) -> bool:
    path = existing_path(locator)
    return path is not None and Path(path).exists()
