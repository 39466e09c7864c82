"""The library: what is kept of which item, begun, found, counted, pruned and checked; one folder for all channels of a host.

Nothing here stops a program. Whatever is wrong with the disk or the index is told in the log, once until it works
again, and in `problem`; the answer is then that nothing is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import LibraryError
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.library import files, locks
from tg_video_streamer.library.cache_state import CacheState, Trouble
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.folder_check import network_file_system
from tg_video_streamer.library.index import IndexedSource
from tg_video_streamer.library.key import copy_key
from tg_video_streamer.library.pruning import Pruned
from tg_video_streamer.library.sidecar import Record
from tg_video_streamer.library.verifying import Verified, verify
from tg_video_streamer.library.writer import CacheWriter
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.item import Item

_PATIENCE_SECONDS = 5.0
_SHORT_PATIENCE_SECONDS = 1.0
"""Viewers may wait for what comes next: two that keep the same item are better than one that comes late."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """A copy of an item, found without asking its source."""

    copy: CachedEncode
    title: str
    duration_seconds: float | None
    checked_wall: float
    """When the source answered last."""
    gone_reason: str
    """Why the source will not come back, by its own word; empty where it did not say so."""


class Library:
    """All methods are synchronous, may be called from any thread, and only `open` raises."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        floor_bytes: int,
        house: HouseFormat,
        headers: CodecHeaders,
        clock: Clock,
        keep_removed: bool = False,
    ) -> None:
        """`max_bytes` is for all copies together, 0 to keep nothing new; `floor_bytes` stay free on the disk.

        `keep_removed`: a copy is played on although its source was removed, made private or blocked.
        """
        self.folder = folder
        self.hits = 0
        """Plays that came from a copy (`played`)."""
        self.misses = 0
        """Plays that had to be encoded though a copy could have served (`missed`)."""
        self.max_bytes = max_bytes
        self._on = max_bytes > 0
        self._house = house
        self._headers = headers
        self._clock = clock
        self.keep_removed = keep_removed
        self._shelf = CacheState(folder, max_bytes=max_bytes, floor_bytes=floor_bytes)
        self._lock = threading.Lock()
        self._refused = "it is not open"

    def open(self) -> None:
        """Make the folder, remove what a killed process left, open the index or make it anew; raises LibraryError."""
        try:
            self._make_folder()
        except LibraryError as error:
            self._refused = str(error)
            raise
        self._refused = ""
        self._sweep()
        self._shelf.open()

    def close(self) -> None:
        """Give the index up; readers and writers that are open may go on, and what they finish is found at the next start."""
        self._shelf.index.close()

    @property
    def problem(self) -> str:
        """Why nothing is kept or found now; empty where all is well."""
        return self._refused or self._shelf.problem

    def copy_of(self, item: Item, source_id: str, *, logo: str = "") -> CachedEncode | None:
        """The copy of what the source is now. `logo`, here and below: a digest of the logo that it shows, or nothing."""
        return self._find(self._key(item, source_id, logo))

    def remembered(self, item: Item, *, logo: str = "") -> Remembered | None:
        """The copy of what the source was when it answered last; None where there is none. Asks nobody."""
        source = self._shelf.ask(lambda: self._shelf.index.source(item.key), None)
        copy = self._find(self._key(item, source.source_id, logo)) if source is not None else None
        if source is None or copy is None:
            return None
        return Remembered(
            copy=copy,
            title=source.title,
            duration_seconds=source.duration_seconds,
            checked_wall=source.checked_wall,
            gone_reason=source.gone_reason,
        )

    def answered(self, item: Item, source_id: str, *, title: str, duration_seconds: float | None) -> None:
        """The source answered now; if it was gone, it is back."""
        source = IndexedSource(
            source_id=source_id,
            title=title,
            duration_seconds=duration_seconds,
            checked_wall=self._clock.wall(),
            gone_reason="",
        )
        self._shelf.write(lambda: self._shelf.index.answered(item.key, source))

    def gone(self, item: Item, reason: str) -> None:
        """The source says that it will not come back; until `answered`."""
        self._shelf.write(lambda: self._shelf.index.gone(item.key, reason or "gone", self._clock.wall()))

    def playable(self, remembered: Remembered) -> bool:
        """Whether it may stand in for its source: in an outage, and else only where the operator keeps what is removed."""
        return self.keep_removed or not remembered.gone_reason

    def begin(self, item: Item, source_id: str, title: str, *, logo: str = "") -> CacheWriter | None:
        """Start to keep an item; None where it is kept or being kept already, or nothing can be kept now."""
        key = self._key(item, source_id, logo)
        if not self._on or self._is_listed(key):
            return None
        if (trouble := self._shelf.room_to_begin()) is not None:
            self._shelf.tell_disk(trouble.what)
            return None
        source = self._shelf.ask(lambda: self._shelf.index.source(item.key), None)
        record = Record(
            key=key,
            item_key=item.key,
            source_id=source_id,
            title=title,
            frames=0,
            bytes=0,
            created_wall=self._clock.wall(),
            duration_seconds=source.duration_seconds if source is not None else None,
        )
        if not self._shelf.claim(key):
            return None
        try:
            with locks.folder_lock(self.folder, patience_seconds=_SHORT_PATIENCE_SECONDS):
                # Under the lock, so that of two that begin at the same moment one finds the other.
                if files.is_being_written(self.folder, key):
                    self._shelf.ended(key)
                    return None
                return CacheWriter(self.folder, record, house=self._house, headers=self._headers, shelf=self._shelf)
        except OSError as error:
            self._shelf.ended(key, Trouble(what=f"no file can be made: {error.strerror}", of_disk=True))
            return None

    def being_kept(self, item: Item, source_id: str, *, logo: str = "") -> bool:
        """Whether somebody, here or in another process, is keeping it now."""
        key = self._key(item, source_id, logo)
        try:
            return self._shelf.is_claimed(key) or files.is_being_written(self.folder, key)
        except OSError:
            return False

    def played(self, copy: CachedEncode) -> None:
        """It is being played: the last to be pruned."""
        with self._lock:
            self.hits += 1
        self._shelf.write(lambda: self._shelf.index.played(copy.key, self._clock.wall()))

    def missed(self) -> None:
        """An item that could have been kept before is being encoded for its viewers."""
        with self._lock:
            self.misses += 1

    def drop(self, copy: CachedEncode, why: str) -> None:
        """Remove a copy that is not whole, whoever reads it."""
        _log.warning("a kept copy is dropped", key=copy.item_key, title=copy.title, why=why)
        self._shelf.write(lambda: self._shelf.index.remove(copy.key))
        try:
            with locks.folder_lock(self.folder, patience_seconds=_PATIENCE_SECONDS):
                files.remove(self.folder, copy.key)
        except OSError as error:
            self._shelf.tell_disk(f"a damaged copy cannot be removed: {error.strerror}")

    def prune(self, *, wanted: Collection[str] = ()) -> Pruned:
        """Remove the least recently played until both limits are kept; never what is open, nor the keys `wanted` (next)."""
        return self._shelf.prune(wanted)

    def verify(self, *, progress: Callable[[CachedEncode], None] | None = None) -> Verified:
        """Read every copy whole and drop those that are damaged; `progress` is told of each when it was read."""
        return verify(self.copies(), listed=self._is_listed, drop=self.drop, progress=progress)

    def copies(self) -> list[CachedEncode]:
        """All copies, the least recently played first."""
        return self._shelf.ask(self._shelf.index.copies, [])

    @property
    def bytes(self) -> int:
        """Of all copies."""
        return self._shelf.ask(self._shelf.index.total_bytes, 0)

    @property
    def items(self) -> int:
        """How many copies there are."""
        return self._shelf.ask(self._shelf.index.count, 0)

    def _key(self, item: Item, source_id: str, logo: str) -> str:
        return copy_key(item=item, source_id=source_id, house=self._house, headers=self._headers, logo=logo)

    def _find(self, key: str) -> CachedEncode | None:
        return self._shelf.ask(lambda: self._shelf.index.find(key), None)

    def _is_listed(self, key: str) -> bool:
        return self._shelf.ask(lambda: self._shelf.index.find(key), None) is not None

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if kind := network_file_system(self.folder):
                raise LibraryError(
                    f"the library's folder {self.folder} is on a network file system ({kind})",
                    remedy="set LIBRARY_DIR to a folder on a disk of this host",
                )
            files.list_folder(self.folder)
        except OSError as error:
            raise LibraryError(
                f"the library's folder {self.folder} cannot be used: {error.strerror}",
                remedy="set LIBRARY_DIR to a folder of this user on a local disk",
            ) from error

    def _sweep(self) -> None:
        try:
            with locks.folder_lock(self.folder, patience_seconds=_PATIENCE_SECONDS) as held:
                if held:
                    files.sweep(self.folder)
        except OSError as error:
            _log.warning("the library's folder cannot be swept", why=error.strerror)
