"""Makes room: the least recently played copies go first, never one that is open or wanted."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from tg_video_streamer.library import files, locks
from tg_video_streamer.library.cached_encode import CachedEncode

_PATIENCE_SECONDS = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What was removed, and what should have been removed too but is on air, next, or held by another channel."""

    copies: tuple[CachedEncode, ...] = ()
    bytes: int = 0
    short_bytes: int = 0


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write to the file system. Raises OSError."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def shortage(*, kept: int, coming: int, free: int, max_bytes: int, floor_bytes: int) -> int:
    """How many bytes have to go, so that what is kept and what comes fits in both limits; pure."""
    return max(0, kept + coming - max_bytes, floor_bytes - free)


def remove_oldest(
    folder: Path, copies: Iterable[CachedEncode], *, needed: int, wanted: Collection[str], unlist: Callable[[str], None]
) -> Pruned:
    """Remove copies in the order given until `needed` bytes are free. Raises OSError, and what `unlist` raises.

    What was removed is added up and not measured: file systems may take their time to give it free.
    """
    removed: list[CachedEncode] = []
    freed = 0
    for copy in copies:
        if freed >= needed:
            break
        if copy.key in wanted:
            continue
        with locks.folder_lock(folder, patience_seconds=_PATIENCE_SECONDS) as held:
            if not held:
                # Another process holds the folder and does not go on: it would be waited for again with each copy.
                break
            if not files.remove_unless_open(folder, copy.key):
                continue
        unlist(copy.key)
        _log.info("a kept copy was pruned", key=copy.item_key, title=copy.title, bytes=copy.bytes)
        removed.append(copy)
        freed += copy.bytes
    return Pruned(copies=tuple(removed), bytes=freed, short_bytes=max(0, needed - freed))
