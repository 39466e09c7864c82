"""What the library and its writers share: the index, the room, who writes what, and what is wrong now."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from tg_video_streamer.library import pruning
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.index import Index
from tg_video_streamer.library.pruning import Pruned
from tg_video_streamer.library.sidecar import Record

Answer = TypeVar("Answer")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Why a copy is not kept."""

    what: str
    of_disk: bool
    """The next item would have the same fate, so people are told."""


class CacheState:
    """Thread-safe; nothing here raises. What is wrong is told in the log once, until it works again, and is in `problem`."""

    def __init__(self, folder: Path, *, max_bytes: int, floor_bytes: int) -> None:
        """`max_bytes` is for all copies together; `floor_bytes` stay free on the disk."""
        self.index = Index(folder)
        self._folder = folder
        self._max_bytes = max_bytes
        self._floor_bytes = floor_bytes
        self._lock = threading.Lock()
        self._pruning = threading.Lock()
        self._writing: set[str] = set()
        self._wanted: frozenset[str] = frozenset()
        self._index_problems = {"place": "", "reading": "", "writing": ""}
        self._disk_problem = ""

    @property
    def problem(self) -> str:
        """Why nothing is kept or found now; empty where all is well."""
        return next(filter(None, self._index_problems.values()), self._disk_problem)

    def ask(self, question: Callable[[], Answer], otherwise: Answer) -> Answer:
        """What the index says; `otherwise` where it cannot be asked now, or was closed."""
        return self._try("reading", question, otherwise)

    def write(self, change: Callable[[], object]) -> None:
        """Change the index, unless it cannot be changed now, or was closed."""
        self._try("writing", change, None)

    def open(self) -> None:
        """Open the index."""
        try:
            self.index.open()
        except (sqlite3.Error, OSError) as error:
            self._tell_index("writing", f"its index cannot be used: {error}")
        else:
            self._tell_place()

    def _try(self, way: str, work: Callable[[], Answer], otherwise: Answer) -> Answer:
        if self.index.closed:
            return otherwise
        try:
            answer = work()
        except (sqlite3.Error, OSError) as error:
            self._tell_index(way, f"its index cannot be used: {error}")
            return otherwise
        self._tell_index(way, "")
        self._tell_place()
        return answer

    def claim(self, key: str) -> bool:
        """Be the only writer of `key` in this process, until `ended`; False where there is one."""
        with self._lock:
            if key in self._writing:
                return False
            self._writing.add(key)
            return True

    def is_claimed(self, key: str) -> bool:
        """Whether somebody in this process writes it now."""
        with self._lock:
            return key in self._writing

    def ended(self, key: str, trouble: Trouble | None = None) -> None:
        """The writer of `key` is done; `trouble`: why it kept nothing, where something went wrong."""
        with self._lock:
            self._writing.discard(key)
        if trouble is not None and trouble.of_disk:
            self.tell_disk(trouble.what)

    def room_to_begin(self) -> Trouble | None:
        """Make room for something; what is in the way of that."""
        self._open_again()
        return self._room(0)

    def room_to_write(self, written: int) -> Trouble | None:
        """Make room on the disk for more of a copy of which `written` bytes are there; what is in the way of that."""
        if written > self._max_bytes:
            return Trouble(what="it is larger than all copies together may be", of_disk=False)
        return self._room(0)

    def room_to_keep(self, size: int) -> Trouble | None:
        """Make room among the copies for one of `size` bytes that is on the disk; what is in the way of that."""
        next_up = [self.ask(partial(self.index.find, key), None) for key in self._wanted]
        wanted = sum(copy.bytes for copy in next_up if copy is not None)
        if size + wanted > self._max_bytes:
            return Trouble(what="it is larger than what may be removed for it", of_disk=False)
        return self._room(size)

    def put(self, record: Record) -> CachedEncode | None:
        """The copy is whole and in its place: list it; None where it cannot be listed now, and is found at the next start."""
        copy = self._try("writing", lambda: self.index.add(record), None)
        if copy is not None and self._disk_problem:
            _log.info("the library keeps copies again")
            self._disk_problem = ""
        return copy

    def prune(self, wanted: Collection[str]) -> Pruned:
        """Remove the least recently played until both limits are kept; `wanted` are safe from now on, until the next call."""
        self._wanted = frozenset(wanted)
        self._open_again()
        try:
            return self._make_room(0)
        except OSError as error:
            self.tell_disk(f"the disk cannot be asked: {error.strerror}")
            return Pruned()

    def tell_disk(self, problem: str) -> None:
        """Nothing is kept now: told once until something is kept again, however the words change meanwhile."""
        if not self._disk_problem:
            _log.warning("the library keeps nothing", why=problem)
        self._disk_problem = problem

    def _open_again(self) -> None:
        """Where the index could not be written to: a connection that was opened on such a disk stays as it is."""
        if not self.index.closed and (self._index_problems["place"] or self._index_problems["writing"]):
            self.open()

    def _tell_place(self) -> None:
        why = self.index.in_memory
        self._tell_index("place", f"its index is only in memory: {why}" if why else "")

    def _tell_index(self, way: str, problem: str) -> None:
        """Told once for each way: a full disk can still be read, and that must not look as if all were well again."""
        before, self._index_problems[way] = self._index_problems[way], problem
        if problem and not before:
            _log.warning("the library has a problem", why=problem)
        elif before and not problem:
            _log.info("the library's index works again", way=way)

    def _room(self, coming: int) -> Trouble | None:
        try:
            short = self._make_room(coming).short_bytes
        except OSError as error:
            return Trouble(what=f"the disk cannot be asked: {error.strerror}", of_disk=True)
        if not short:
            return None
        return Trouble(what="there is too little room, and nothing more that may be removed", of_disk=True)

    def _make_room(self, coming: int) -> Pruned:
        """Raises OSError."""
        with self._pruning:
            needed = pruning.shortage(
                kept=self.ask(self.index.total_bytes, 0),
                coming=coming,
                free=pruning.free_bytes(self._folder),
                max_bytes=self._max_bytes,
                floor_bytes=self._floor_bytes,
            )
            if not needed:
                return Pruned()
            return pruning.remove_oldest(
                self._folder, self._copies(), needed=needed, wanted=self._wanted, unlist=self._unlist
            )

    def _copies(self) -> list[CachedEncode]:
        return self.ask(self.index.copies, [])

    def _unlist(self, key: str) -> None:
        self.write(lambda: self.index.remove(key))
