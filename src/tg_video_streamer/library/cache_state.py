"""State that the library shares with its writers: index, disk space, claimed keys, current problem."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from tg_video_streamer.library import files, locks
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.index import Index
from tg_video_streamer.library.sidecar import Record
from tg_video_streamer.locales.message import Message

Answer = TypeVar("Answer")

_LOCK_SECONDS = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class NotCached:
    """Why an item is not cached."""

    what: Message
    of_disk: bool
    """The next item would fail too, so the operator is warned."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What one pruning removed; `short_bytes`: what it could not free, being on air, next, or held by another channel."""

    encodes: tuple[CachedEncode, ...] = ()
    bytes: int = 0
    short_bytes: int = 0


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write to the file system. Raises OSError."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def shortage(*, cached: int, coming: int, free: int, max_bytes: int, floor_bytes: int) -> int:
    """How many bytes must be removed so that the cached and the coming bytes respect both limits; pure."""
    return max(0, cached + coming - max_bytes, floor_bytes - free)


class CacheState:
    """Thread-safe; no method raises. A failure is logged once until it is over, and is in `problem`."""

    def __init__(self, folder: Path, *, max_bytes: int, floor_bytes: int) -> None:
        """`max_bytes`: the limit of all cached encodes together; `floor_bytes`: what stays free on the disk."""
        self.index = Index(folder)
        self._folder = folder
        self._max_bytes = max_bytes
        self._floor_bytes = floor_bytes
        self._lock = threading.Lock()
        self._pruning = threading.Lock()
        self._writing: set[str] = set()
        self._wanted: frozenset[str] = frozenset()
        self._index_problems: dict[str, Message | None] = {"place": None, "reading": None, "writing": None}
        self._disk_problem: Message | None = None

    @property
    def problem(self) -> Message | None:
        """Why nothing can be cached or found now; None if the library works."""
        return next(filter(None, self._index_problems.values()), self._disk_problem)

    def ask(self, question: Callable[[], Answer], otherwise: Answer) -> Answer:
        """The index's answer; `otherwise` while the index is unusable or closed."""
        return self._try("reading", question, otherwise)

    def write(self, change: Callable[[], object]) -> None:
        """Change the index; does nothing while it is unusable or closed."""
        self._try("writing", change, None)

    def open(self) -> None:
        """Open the index."""
        try:
            self.index.open()
        except (sqlite3.Error, OSError) as error:
            self._report_index("writing", Message.of("library.index", detail=str(error)))
        else:
            self._report_place()

    def _try(self, access: str, work: Callable[[], Answer], otherwise: Answer) -> Answer:
        if self.index.closed:
            return otherwise
        try:
            answer = work()
        except (sqlite3.Error, OSError) as error:
            self._report_index(access, Message.of("library.index", detail=str(error)))
            return otherwise
        self._report_index(access, None)
        self._report_place()
        return answer

    def claim(self, key: str) -> bool:
        """Become the only writer of `key` in this process, until `ended`; False if there is one already."""
        with self._lock:
            if key in self._writing:
                return False
            self._writing.add(key)
            return True

    def is_claimed(self, key: str) -> bool:
        """Whether this process is writing `key`."""
        with self._lock:
            return key in self._writing

    def ended(self, key: str, problem: NotCached | None = None) -> None:
        """The writer of `key` has finished; `problem`: why it failed."""
        with self._lock:
            self._writing.discard(key)
        if problem is not None and problem.of_disk:
            self.report_disk(problem.what)

    def space_to_begin(self) -> NotCached | None:
        """Free space for a new encode; why that is impossible."""
        self._open_again()
        return self._room(0)

    def space_to_write(self, written: int) -> NotCached | None:
        """Free disk space for more of an encode that has `written` bytes; why that is impossible."""
        if written > self._max_bytes:
            return NotCached(what=Message.of("library.larger"), of_disk=False)
        return self._room(0)

    def space_to_commit(self, size: int) -> NotCached | None:
        """Free `size` bytes of the library's limit for a finished encode; why that is impossible."""
        next_up = [self.ask(partial(self.index.find, key), None) for key in self._wanted]
        wanted = sum(encode.bytes for encode in next_up if encode is not None)
        if size + wanted > self._max_bytes:
            return NotCached(what=Message.of("library.larger_than_room"), of_disk=False)
        return self._room(size)

    def put(self, record: Record) -> CachedEncode | None:
        """List a finished encode; None if the index is unusable now: the next start finds the encode."""
        encode = self._try("writing", lambda: self.index.add(record), None)
        if encode is not None and self._disk_problem is not None:
            _log.info("library caches again")
            self._disk_problem = None
        return encode

    def replaced(self, key: str) -> None:
        """Remove an encode of which there is a better one; an open reader can read on."""
        if self.ask(lambda: self.index.find(key), None) is None:
            return
        self.write(lambda: self.index.remove(key))
        try:
            with locks.folder_lock(self._folder, wait_seconds=_LOCK_SECONDS):
                files.remove(self._folder, key)
        except OSError as error:
            # Listed again at the next start, and never played: pruned in time.
            _log.info("replaced cached encode cannot be removed", cache_key=key, why=error.strerror)

    def prune(self, wanted: Collection[str]) -> Pruned:
        """Remove the least recently played until both limits are respected; `wanted` stay until the next call."""
        self._wanted = frozenset(wanted)
        self._open_again()
        try:
            return self._make_room(0)
        except OSError as error:
            self.report_disk(Message.of("library.space_unknown", detail=str(error.strerror)))
            return Pruned()

    def report_disk(self, problem: Message) -> None:
        """Warn that nothing can be cached: once, until something is cached again."""
        if self._disk_problem is None:
            _log.warning("library caches nothing", why=str(problem))
        self._disk_problem = problem

    def _open_again(self) -> None:
        """Reopen an index that could not be written to: its connection does not recover."""
        if not self.index.closed and (self._index_problems["place"] or self._index_problems["writing"]):
            self.open()

    def _report_place(self) -> None:
        why = self.index.in_memory
        self._report_index("place", Message.of("library.in_memory", detail=why) if why else None)

    def _report_index(self, access: str, problem: Message | None) -> None:
        """Log once for each `access`: a full disk can still be read, and that must not end the warning."""
        before, self._index_problems[access] = self._index_problems[access], problem
        if problem and not before:
            _log.warning("library has a problem", why=str(problem))
        elif before and not problem:
            _log.info("library index works again", access=access)

    def _room(self, coming: int) -> NotCached | None:
        try:
            short = self._make_room(coming).short_bytes
        except OSError as error:
            return NotCached(what=Message.of("library.space_unknown", detail=str(error.strerror)), of_disk=True)
        if not short:
            return None
        return NotCached(what=Message.of("library.too_little_space"), of_disk=True)

    def _make_room(self, coming: int) -> Pruned:
        """Raises OSError."""
        with self._pruning:
            needed = shortage(
                cached=self.ask(self.index.total_bytes, 0),
                coming=coming,
                free=free_bytes(self._folder),
                max_bytes=self._max_bytes,
                floor_bytes=self._floor_bytes,
            )
            if not needed:
                return Pruned()
            return self._remove_oldest(needed)

    def _remove_oldest(self, needed: int) -> Pruned:
        """Remove the least recently played until `needed` bytes are free; never one that is open or wanted.

        The sizes are added up, not measured: file systems may free the space later.
        """
        removed: list[CachedEncode] = []
        freed = 0
        encodes: list[CachedEncode] = self.ask(self.index.encodes, [])
        for encode in encodes:
            if freed >= needed:
                break
            if encode.key in self._wanted:
                continue
            with locks.folder_lock(self._folder, wait_seconds=_LOCK_SECONDS) as held:
                if not held:
                    # Another process holds the lock and hangs: each further encode would wait for it again.
                    break
                if not files.remove_unless_open(self._folder, encode.key):
                    continue
            self.write(partial(self.index.remove, encode.key))
            _log.info("cached encode pruned", key=encode.item_key, title=encode.title, bytes=encode.bytes)
            removed.append(encode)
            freed += encode.bytes
        return Pruned(encodes=tuple(removed), bytes=freed, short_bytes=max(0, needed - freed))
