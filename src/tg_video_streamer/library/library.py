"""The library of cached encodes: one folder for all channels of a host.

It never stops the program. A fault of the disk or the index is logged once and is in `problem`; until it is over nothing
is cached or found.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import CachedEncodeDamaged, LibraryError
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.languages import NO_PREFERENCE, TrackPreference
from tg_video_streamer.library import files, locks
from tg_video_streamer.library.arrival import Arrival
from tg_video_streamer.library.cache_state import CacheState, NotCached, Pruned
from tg_video_streamer.library.cached_encode import CachedEncode, cache_key
from tg_video_streamer.library.folder_check import network_file_system
from tg_video_streamer.library.index import IndexedSource
from tg_video_streamer.library.sidecar import Record
from tg_video_streamer.library.writer import CacheWriter
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.item import Item

_LOCK_SECONDS = 5.0
_SHORT_LOCK_SECONDS = 1.0
"""Viewers may wait for the next item: two encodes of one item are better than a late one."""

_log = structlog.get_logger(__name__)


class Grade(StrEnum):
    """How good a cached encode is."""

    LIVE = "live"
    """Encoded as on air."""
    PREPARED = "prepared"
    """Encoded ahead of need, in the better format; the same as LIVE where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """A cached encode that was found without asking its source."""

    encode: CachedEncode
    source: IndexedSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """The result of a full check."""

    whole: int
    """How many cached encodes are intact."""
    bytes: int
    """Of the intact ones."""
    damaged: tuple[CachedEncode, ...] = ()
    """They were removed."""


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
        preference: TrackPreference = NO_PREFERENCE,
        prepared: Callable[[], HouseFormat | None] = lambda: None,
    ) -> None:
        """`max_bytes`: the limit of all cached encodes together, 0 to cache nothing new; `floor_bytes` stay free on the disk.

        `keep_removed`: play a cached encode even if its source was removed, made private or blocked.
        `preference`: the channel's languages, part of the key of each cached encode.
        `prepared` returns the format that names prepared encodes; None where there are only live ones.
        """
        self.folder = folder
        self.hits = 0
        """Plays from a cached encode (`played`)."""
        self.misses = 0
        """Plays that were encoded although the item can be cached (`missed`)."""
        self.max_bytes = max_bytes
        self._on = max_bytes > 0
        self._house = house
        self._headers = headers
        self._clock = clock
        self.keep_removed = keep_removed
        self.preference = preference
        self._prepared = prepared
        self._state = CacheState(folder, max_bytes=max_bytes, floor_bytes=floor_bytes)
        self._lock = threading.Lock()
        self._refused: Message | None = Message.of("library.not_open")

    def open(self) -> None:
        """Create the folder, remove what a killed process left, open or rebuild the index; raises LibraryError."""
        try:
            self._make_folder()
        except LibraryError as error:
            self._refused = error.full_message
            raise
        self._refused = None
        self._sweep()
        self._state.open()

    def close(self) -> None:
        """Close the index; open readers and writers continue, and the next start finds what they finish."""
        self._state.index.close()

    @property
    def problem(self) -> Message | None:
        """Why nothing can be cached or found now; None if the library works."""
        return self._refused or self._state.problem

    def find(self, item: Item, source_id: str, *, logo: str = "", least: Grade = Grade.LIVE) -> CachedEncode | None:
        """The best cached encode of the source as it is now, of at least this grade.

        `logo`, here and below: the digest of the logo on it, or empty.
        """
        better = self._prepared() is not None
        found = self._find(self._key(item, source_id, logo, Grade.PREPARED))
        if found is not None and better:
            return replace(found, prepared=True)
        if found is not None or least is Grade.PREPARED or not better:
            return found
        return self._find(self._key(item, source_id, logo, Grade.LIVE))

    def remembered(self, item: Item, *, logo: str = "", least: Grade = Grade.LIVE) -> Remembered | None:
        """The same of the source as it last answered; no request is made."""
        source = self._state.ask(lambda: self._state.index.source(item.key), None)
        encode = self.find(item, source.source_id, logo=logo, least=least) if source is not None else None
        if source is None or encode is None:
            return None
        return Remembered(encode=encode, source=source)

    def known(self, item: Item) -> tuple[IndexedSource | None, bool]:
        """What its source answered last, and whether it is cached, under any logo; no request is made."""
        source = self._state.ask(lambda: self._state.index.source(item.key), None)
        return source, self._state.ask(lambda: self._state.index.has_item(item.key), otherwise=False)

    def answered(self, item: Item, source_id: str, *, title: str, duration_seconds: float | None) -> None:
        """The source answered now, so it is not gone."""
        source = IndexedSource(
            source_id=source_id,
            title=title,
            duration_seconds=duration_seconds,
            checked_wall=self._clock.wall(),
            gone_reason="",
        )
        self._state.write(lambda: self._state.index.answered(item.key, source))

    def gone(self, item: Item, reason: str) -> None:
        """The source is gone, until `answered`."""
        self._state.write(lambda: self._state.index.gone(item.key, reason or "gone", self._clock.wall()))

    def playable(self, remembered: Remembered) -> bool:
        """Whether it may replace its source: in an outage, and with `keep_removed` also after a removal."""
        return self.keep_removed or not remembered.source.gone_reason

    def begin(
        self, item: Item, source_id: str, title: str, *, logo: str = "", grade: Grade = Grade.LIVE
    ) -> CacheWriter | None:
        """Start to cache an item; None if it is cached or being cached, or the library cannot cache now.

        A prepared encode removes the live one when it is complete.
        """
        key = self._key(item, source_id, logo, grade)
        live = self._key(item, source_id, logo, Grade.LIVE)
        there = self.find(item, source_id, logo=logo, least=grade) is not None
        if not self._on or there or self.is_caching(item, source_id, logo=logo):
            return None
        if (problem := self._state.space_to_begin()) is not None:
            self._state.report_disk(problem.what)
            return None
        source = self._state.ask(lambda: self._state.index.source(item.key), None)
        record = Record(
            key=key,
            item_key=item.key,
            source_id=source_id,
            title=title,
            frames=0,
            bytes=0,
            created_wall=self._clock.wall(),
            rate=self._house.frame_rate,
            duration_seconds=source.duration_seconds if source is not None else None,
        )
        if not self._state.claim(key):
            return None
        try:
            with locks.folder_lock(self.folder, wait_seconds=_SHORT_LOCK_SECONDS):
                # Under the lock, so that of two simultaneous writers one finds the other.
                if files.is_being_written(self.folder, key):
                    self._state.ended(key)
                    return None
                return CacheWriter(
                    self.folder,
                    record,
                    house=self._house,
                    headers=self._headers,
                    state=self._state,
                    replaces=live if key != live else "",
                )
        except OSError as error:
            self._state.ended(
                key, NotCached(what=Message.of("library.no_file", detail=str(error.strerror)), of_disk=True)
            )
            return None

    def key_of(self, item: Item, source_id: str, *, logo: str = "", grade: Grade = Grade.PREPARED) -> str:
        """The key of an encode of the source, whether it is there or not."""
        return self._key(item, source_id, logo, grade)

    def has(self, key: str) -> bool:
        """Whether there is an encode with this key."""
        return self._is_listed(key)

    def receive(self, key: str, sidecar: bytes) -> Arrival | None:
        """Take an encode that another host made; None if it is there or being written, or the library cannot cache now.

        Raises CachedEncodeDamaged where the sidecar is none, and OSError.
        """
        if not self._on or self._is_listed(key) or self._state.space_to_begin() is not None:
            return None
        if not self._state.claim(key):
            return None
        try:
            return Arrival(self.folder, key, sidecar, state=self._state)
        except (CachedEncodeDamaged, OSError):
            self._state.ended(key)
            raise

    def is_caching(self, item: Item, source_id: str, *, logo: str = "") -> bool:
        """Whether this or another process is caching the item now, in any grade."""
        return any(self._is_written(self._key(item, source_id, logo, grade)) for grade in Grade)

    def lists(self, encode: CachedEncode) -> bool:
        """Whether it is there still."""
        return self._is_listed(encode.key)

    def played(self, encode: CachedEncode) -> None:
        """It plays now: the last to be pruned."""
        with self._lock:
            self.hits += 1
        self._state.write(lambda: self._state.index.played(encode.key, self._clock.wall()))

    def missed(self) -> None:
        """An item that could have been cached is encoded while viewers watch it."""
        with self._lock:
            self.misses += 1

    def drop(self, encode: CachedEncode, why: str) -> None:
        """Remove a damaged cached encode, even if it is open."""
        _log.warning("damaged cached encode removed", key=encode.item_key, title=encode.title, why=why)
        self._state.write(lambda: self._state.index.remove(encode.key))
        try:
            with locks.folder_lock(self.folder, wait_seconds=_LOCK_SECONDS):
                files.remove(self.folder, encode.key)
        except OSError as error:
            self._state.report_disk(Message.of("library.not_removed", detail=str(error.strerror)))

    def prune(self, *, wanted: Collection[str] = ()) -> Pruned:
        """Remove the least recently played until both limits are respected; never one that is open or in `wanted` (next)."""
        return self._state.prune(wanted)

    def verify(self, *, progress: Callable[[CachedEncode], None] | None = None) -> Verified:
        """Read every cached encode to its end and remove the damaged ones; `progress` is called after each."""
        whole = size = 0
        damaged = []
        for encode in self.encodes():
            try:
                with encode.open() as reader:
                    for gop in range(len(reader.gops)):
                        reader.read(gop)
            except CachedEncodeDamaged as error:
                # One that another channel pruned meanwhile is neither whole nor damaged.
                if self._is_listed(encode.key):
                    damaged.append(encode)
                    self.drop(encode, str(error))
            else:
                whole += 1
                size += encode.bytes
            if progress is not None:
                progress(encode)
        return Verified(whole=whole, bytes=size, damaged=tuple(damaged))

    def encodes(self) -> list[CachedEncode]:
        """All cached encodes, the least recently played first."""
        return self._state.ask(self._state.index.encodes, [])

    @property
    def bytes(self) -> int:
        """Of all cached encodes."""
        return self._state.ask(self._state.index.total_bytes, 0)

    @property
    def items(self) -> int:
        """How many cached encodes there are."""
        return self._state.ask(self._state.index.count, 0)

    def _is_written(self, key: str) -> bool:
        try:
            return self._state.is_claimed(key) or files.is_being_written(self.folder, key)
        except OSError:
            return False

    def _key(self, item: Item, source_id: str, logo: str, grade: Grade) -> str:
        better = self._prepared() if grade is Grade.PREPARED else None
        return cache_key(
            item=item,
            source_id=source_id,
            house=better or self._house,
            headers=self._headers,
            logo=logo,
            preference=self.preference,
        )

    def _find(self, key: str) -> CachedEncode | None:
        return self._state.ask(lambda: self._state.index.find(key), None)

    def _is_listed(self, key: str) -> bool:
        return self._find(key) is not None

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if kind := network_file_system(self.folder):
                raise LibraryError.of("library.network_disk", folder=str(self.folder), kind=kind)
            files.list_folder(self.folder)
        except OSError as error:
            raise LibraryError.of("library.folder", folder=str(self.folder), detail=str(error.strerror)) from error

    def _sweep(self) -> None:
        try:
            with locks.folder_lock(self.folder, wait_seconds=_LOCK_SECONDS) as held:
                if held:
                    files.sweep(self.folder)
        except OSError as error:
            _log.warning("library folder cannot be cleaned", why=error.strerror)
