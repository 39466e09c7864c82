"""The index of what is kept and of what each source last answered: an SQLite file that all channels of a host share.

It is worth nothing by itself: whatever is wrong with it, it is made anew from the sidecars. WAL mode with
synchronous=NORMAL survives kill -9 at any moment (sqlite.org/wal.html); only the last rows may be missing after a power
failure, and `reconcile` finds those again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from tg_video_streamer.library import files, locks
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.index_file import IndexFile
from tg_video_streamer.library.sidecar import Record

Answer = TypeVar("Answer")

_COPY = "key, item_key, source_id, title, duration_seconds, frames, bytes, created_wall, played_wall, plays"
_ADD_COPY = f"""
    INSERT INTO copies ({_COPY}, turn)
    VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, 0, (SELECT IFNULL(MAX(turn), 0) + 1 FROM copies))
    ON CONFLICT (key) DO NOTHING
"""  # noqa: S608 - the names of our own columns
_ANSWERED = """
    INSERT INTO sources (item_key, source_id, title, duration_seconds, checked_wall, gone_reason)
    VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, '') ON CONFLICT (item_key) DO
"""
_REPLACE = """
    UPDATE SET source_id = excluded.source_id, title = excluded.title,
    duration_seconds = excluded.duration_seconds, checked_wall = excluded.checked_wall, gone_reason = ''
"""

_PATIENCE_SECONDS = 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedSource:
    """What an item's source last answered."""

    source_id: str
    title: str
    duration_seconds: float | None
    checked_wall: float
    gone_reason: str
    """Why it will not come back, by its own word; empty where it is not gone."""


class Index:
    """Thread-safe. Every method may raise sqlite3.Error or OSError: the index cannot be used now, say for a full disk.

    A damaged, lost or foreign file is no such case: it is moved aside and made anew, with a WARNING.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: where the copies lie."""
        self._folder = folder
        self._file = IndexFile(folder / "index.sqlite")
        self._lock = threading.Lock()
        self._closed = True

    def open(self) -> None:
        """Open or make it, and make it agree with what lies in the folder."""
        with self._lock:
            self._closed = False
            self._open()

    def close(self) -> None:
        """Give it up; after that every method raises sqlite3.ProgrammingError."""
        with self._lock:
            self._closed = True
            self._file.close()

    @property
    def closed(self) -> bool:
        """Whether it was not opened yet, or was given up."""
        return self._closed

    @property
    def in_memory(self) -> str:
        """Why it is only in memory, to be lost at the end; empty where it is on the disk."""
        return self._file.in_memory

    def find(self, key: str) -> CachedEncode | None:
        """The copy with this key."""
        rows = self._rows(f"SELECT {_COPY} FROM copies WHERE key = ?", (key,))  # noqa: S608 - see _COPY
        return rows[0] if rows else None

    def copies(self) -> list[CachedEncode]:
        """All of them, the least recently played first."""
        return self._rows(f"SELECT {_COPY} FROM copies ORDER BY turn", ())  # noqa: S608 - see _COPY

    def total_bytes(self) -> int:
        """Of the packets of all copies."""
        return int(self._run(lambda db: db.execute("SELECT TOTAL(bytes) FROM copies").fetchone()[0]))

    def count(self) -> int:
        """How many copies there are."""
        return int(self._run(lambda db: db.execute("SELECT COUNT(*) FROM copies").fetchone()[0]))

    def add(self, record: Record) -> CachedEncode:
        """List a copy; the one that is listed already stays as it is."""
        self._run(lambda db: _add(db, [record]))
        copy = self.find(record.key)
        if copy is None:
            raise sqlite3.OperationalError("a copy was removed in the moment in which it was listed")
        return copy

    def remove(self, key: str) -> None:
        """List it no longer."""
        self._run(lambda db: db.execute("DELETE FROM copies WHERE key = ?", (key,)))

    def played(self, key: str, wall: float) -> None:
        """It is the most recently played one."""
        self._run(
            lambda db: db.execute(
                "UPDATE copies SET plays = plays + 1, played_wall = ?, turn = (SELECT MAX(turn) + 1 FROM copies) WHERE key = ?",
                (wall, key),
            )
        )

    def source(self, item_key: str) -> IndexedSource | None:
        """What the source of this item last answered."""
        row = self._run(
            lambda db: db.execute(
                "SELECT source_id, title, duration_seconds, checked_wall, gone_reason FROM sources WHERE item_key = ?",
                (item_key,),
            ).fetchone()
        )
        if row is None:
            return None
        source_id, title, duration, checked, gone = row
        return IndexedSource(
            source_id=source_id, title=title, duration_seconds=duration, checked_wall=checked, gone_reason=gone
        )

    def answered(self, item_key: str, source: IndexedSource) -> None:
        """The source answered."""
        row = _source_row(item_key, source.source_id, source.title, source.duration_seconds, source.checked_wall)
        self._run(lambda db: db.execute(_ANSWERED + _REPLACE, row))

    def gone(self, item_key: str, reason: str, checked_wall: float) -> None:
        """The source of this item said so: it will not come back."""
        update = "UPDATE sources SET gone_reason = CAST(? AS TEXT), checked_wall = ? WHERE item_key = ?"
        self._run(lambda db: db.execute(update, (_raw(reason), checked_wall, item_key)))

    def _rows(self, query: str, values: tuple[str, ...]) -> list[CachedEncode]:
        return self._run(lambda db: [self._copy(row) for row in db.execute(query, values)])

    def _copy(self, row: tuple[Any, ...]) -> CachedEncode:
        key, item_key, source_id, title, duration, frames, size, created, played, plays = row
        if not isinstance(key, str) or not isinstance(frames, int) or not isinstance(size, int):
            raise sqlite3.DatabaseError("a row that was never written")
        return CachedEncode(
            key=key,
            item_key=item_key,
            source_id=source_id,
            title=title,
            frames=frames,
            bytes=size,
            path=files.media_path(self._folder, key),
            created_wall=created,
            played_wall=played,
            plays=plays,
            duration_seconds=duration,
        )

    def _run(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """`work` with the connection; a second time with an index made anew, where the first one was damaged."""
        with self._lock:
            if self._closed:
                raise sqlite3.ProgrammingError("the library is closed")
            if not self._file.is_current():
                self._open()
            try:
                return work(self._file.connection)
            except sqlite3.DatabaseError as error:
                if not self._file.is_damage(error):
                    raise
                self._make_anew(error)
            return work(self._file.connection)

    def _make_anew(self, error: sqlite3.DatabaseError) -> None:
        with self._alone():
            self._file.move_aside(str(error))
        self._open()

    def _open(self) -> None:
        with self._alone():
            self._open_alone()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process changes files or names meanwhile, where that can be had: each heals what others do."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locks.folder_lock(self._folder, patience_seconds=_PATIENCE_SECONDS))
            except OSError as error:
                # A full or read-only disk: there is nothing to change on it.
                _log.info("the library's folder cannot be locked", why=error.strerror)
            yield

    def _open_alone(self) -> None:
        made_anew = self._file.open()
        try:
            found = self._reconcile()
        except sqlite3.DatabaseError as error:
            if not self._file.is_damage(error):
                raise
            self._file.move_aside(str(error))
            made_anew = self._file.open()
            found = self._reconcile()
        if made_anew and found:
            _log.warning("the library's index was lost or damaged, and was made anew", copies=found)

    def _reconcile(self) -> int:
        """Make the rows agree with the folder; how many copies had no row."""
        db = self._file.connection
        # The rows first: a copy that another process keeps meanwhile is then at most found twice, and never lost.
        listed = {row[0] for row in db.execute("SELECT key FROM copies")}
        there = files.list_folder(self._folder).copies
        unlisted = sorted(files.records(self._folder, there - listed), key=lambda record: record.created_wall)
        lost = listed - there
        if unlisted or lost:
            db.execute("BEGIN IMMEDIATE")
            try:
                _add(db, unlisted)
                db.executemany("DELETE FROM copies WHERE key = ?", [(key,) for key in lost])
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
        # What sources answered is of use only with a copy; playlists change for years.
        db.execute("DELETE FROM sources WHERE item_key NOT IN (SELECT item_key FROM copies)")
        return len(unlisted)


def _add(db: sqlite3.Connection, records: Sequence[Record]) -> None:
    """The copies in the order in which they were kept, and their sources as they were then, where nothing is known yet."""
    rows = [
        (
            one.key,
            one.item_key,
            _raw(one.source_id),
            _raw(one.title),
            one.duration_seconds,
            one.frames,
            one.bytes,
            one.created_wall,
            one.created_wall,
        )
        for one in records
    ]
    db.executemany(_ADD_COPY, rows)
    sources = [
        _source_row(one.item_key, one.source_id, one.title, one.duration_seconds, one.created_wall)
        for one in reversed(records)
    ]
    db.executemany(f"{_ANSWERED} NOTHING", sources)


def _source_row(item_key: str, source_id: str, title: str, duration: float | None, wall: float) -> tuple[Any, ...]:
    return item_key, _raw(source_id), _raw(title), duration, wall


def _raw(text: str) -> bytes:
    """File names may hold bytes that are no UTF-8, and must come back as they were."""
    return text.encode("utf-8", "surrogatepass")
