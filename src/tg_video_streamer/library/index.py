"""The index of cached encodes and of each source's last answer: an SQLite file that all channels of a host share.

It can always be rebuilt from the sidecars. WAL mode with synchronous=NORMAL survives kill -9 at any moment
(sqlite.org/wal.html); after a power failure only the last rows may be missing, and `_reconcile` adds those again.
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
from tg_video_streamer.media import FrameRate

Answer = TypeVar("Answer")

_COLUMNS = (
    "key, item_key, source_id, title, duration_seconds, frames, bytes, created_wall, played_wall, plays, frame_rate"
)
_ADD_ROW = f"""
    INSERT INTO copies ({_COLUMNS}, turn)
    VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, 0, ?, (SELECT IFNULL(MAX(turn), 0) + 1 FROM copies))
    ON CONFLICT (key) DO NOTHING
"""  # noqa: S608 - only constant column names
_ANSWERED = """
    INSERT INTO sources (item_key, source_id, title, duration_seconds, checked_wall, gone_reason)
    VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, '') ON CONFLICT (item_key) DO
"""
_REPLACE = """
    UPDATE SET source_id = excluded.source_id, title = excluded.title,
    duration_seconds = excluded.duration_seconds, checked_wall = excluded.checked_wall, gone_reason = ''
"""

_LOCK_SECONDS = 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedSource:
    """The last answer of an item's source."""

    source_id: str
    title: str
    duration_seconds: float | None
    checked_wall: float
    """When it answered."""
    gone_reason: str
    """Why it is gone; empty if it is not."""


class Index:
    """Thread-safe. Every method may raise sqlite3.Error or OSError: the index is unusable now, as on a full disk.

    A damaged, lost or foreign file raises nothing: it is moved aside and rebuilt, with a WARNING.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: the folder of the cached encodes."""
        self._folder = folder
        self._file = IndexFile(folder / "index.sqlite")
        self._lock = threading.Lock()
        self._closed = True

    def open(self) -> None:
        """Open or create it, and reconcile it with the folder."""
        with self._lock:
            self._closed = False
            self._open()

    def close(self) -> None:
        """Close it; after that every method raises sqlite3.ProgrammingError."""
        with self._lock:
            self._closed = True
            self._file.close()

    @property
    def closed(self) -> bool:
        """Whether it is not open."""
        return self._closed

    @property
    def in_memory(self) -> str:
        """Why it is only in memory; empty if it is on the disk."""
        return self._file.in_memory

    def find(self, key: str) -> CachedEncode | None:
        """The cached encode with this key."""
        rows = self._rows(f"SELECT {_COLUMNS} FROM copies WHERE key = ?", (key,))  # noqa: S608 - see _COLUMNS
        return rows[0] if rows else None

    def has_item(self, item_key: str) -> bool:
        """Whether there is a cached encode of the item."""
        query = "SELECT 1 FROM copies WHERE item_key = ? LIMIT 1"
        return self._run(lambda db: db.execute(query, (item_key,)).fetchone()) is not None

    def encodes(self) -> list[CachedEncode]:
        """All cached encodes, the least recently played first."""
        return self._rows(f"SELECT {_COLUMNS} FROM copies ORDER BY turn", ())  # noqa: S608 - see _COLUMNS

    def total_bytes(self) -> int:
        """Of the packets of all encodes."""
        return int(self._run(lambda db: db.execute("SELECT TOTAL(bytes) FROM copies").fetchone()[0]))

    def count(self) -> int:
        """How many cached encodes there are."""
        return int(self._run(lambda db: db.execute("SELECT COUNT(*) FROM copies").fetchone()[0]))

    def add(self, record: Record) -> CachedEncode:
        """List an encode; one that is already listed is not changed."""
        self._run(lambda db: _add(db, [record]))
        encode = self.find(record.key)
        if encode is None:
            raise sqlite3.OperationalError("an encode was removed while it was being listed")
        return encode

    def remove(self, key: str) -> None:
        """Remove an encode from the list."""
        self._run(lambda db: db.execute("DELETE FROM copies WHERE key = ?", (key,)))

    def played(self, key: str, wall: float) -> None:
        """This encode is now the most recently played one."""
        self._run(
            lambda db: db.execute(
                "UPDATE copies SET plays = plays + 1, played_wall = ?, turn = (SELECT MAX(turn) + 1 FROM copies) WHERE key = ?",
                (wall, key),
            )
        )

    def source(self, item_key: str) -> IndexedSource | None:
        """The last answer of the item's source."""
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
        """The item's source answered."""
        row = _source_row(item_key, source.source_id, source.title, source.duration_seconds, source.checked_wall)
        self._run(lambda db: db.execute(_ANSWERED + _REPLACE, row))

    def gone(self, item_key: str, reason: str, checked_wall: float) -> None:
        """The item's source is gone."""
        update = "UPDATE sources SET gone_reason = CAST(? AS TEXT), checked_wall = ? WHERE item_key = ?"
        self._run(lambda db: db.execute(update, (_raw(reason), checked_wall, item_key)))

    def _rows(self, query: str, values: tuple[str, ...]) -> list[CachedEncode]:
        return self._run(lambda db: [self._encode(row) for row in db.execute(query, values)])

    def _encode(self, row: tuple[Any, ...]) -> CachedEncode:
        key, item_key, source_id, title, duration, frames, size, created, played, plays, rate = row
        if not isinstance(key, str) or not isinstance(frames, int) or not isinstance(size, int):
            raise sqlite3.DatabaseError("a row has values of the wrong type")
        return CachedEncode(
            key=key,
            item_key=item_key,
            source_id=source_id,
            title=title,
            frames=frames,
            rate=FrameRate(rate),
            bytes=size,
            path=files.media_path(self._folder, key),
            created_wall=created,
            played_wall=played,
            plays=plays,
            duration_seconds=duration,
        )

    def _run(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Run `work` with the connection; if the index is damaged, rebuild it and run `work` again."""
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
                self._rebuild(error)
            return work(self._file.connection)

    def _rebuild(self, error: sqlite3.DatabaseError) -> None:
        with self._exclusively():
            self._file.move_aside(str(error))
        self._open()

    def _open(self) -> None:
        with self._exclusively():
            self._open_exclusively()

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Hold the folder lock if possible; without it the next start corrects the index."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locks.folder_lock(self._folder, wait_seconds=_LOCK_SECONDS))
            except OSError as error:
                # A full or read-only disk, on which no process changes anything.
                _log.info("library folder cannot be locked", why=error.strerror)
            yield

    def _open_exclusively(self) -> None:
        rebuilt = self._file.open()
        try:
            found = self._reconcile()
        except sqlite3.DatabaseError as error:
            if not self._file.is_damage(error):
                raise
            self._file.move_aside(str(error))
            rebuilt = self._file.open()
            found = self._reconcile()
        if rebuilt and found:
            _log.warning("library index was lost or damaged and is rebuilt", encodes=found)

    def _reconcile(self) -> int:
        """Make the rows match the folder; how many encodes had no row."""
        db = self._file.connection
        # The rows first: an encode that another process adds meanwhile is then found twice at most, never lost.
        listed = {row[0] for row in db.execute("SELECT key FROM copies")}
        there = files.list_folder(self._folder).complete
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
        # Answers are of use only with an encode; playlists change for years.
        db.execute("DELETE FROM sources WHERE item_key NOT IN (SELECT item_key FROM copies)")
        return len(unlisted)


def _add(db: sqlite3.Connection, records: Sequence[Record]) -> None:
    """Add encodes, the oldest first, and their sources unless those are known."""
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
            int(one.rate),
        )
        for one in records
    ]
    db.executemany(_ADD_ROW, rows)
    sources = [
        _source_row(one.item_key, one.source_id, one.title, one.duration_seconds, one.created_wall)
        for one in reversed(records)
    ]
    db.executemany(f"{_ANSWERED} NOTHING", sources)


def _source_row(item_key: str, source_id: str, title: str, duration: float | None, wall: float) -> tuple[Any, ...]:
    return item_key, _raw(source_id), _raw(title), duration, wall


def _raw(text: str) -> bytes:
    """File names may hold bytes that are not UTF-8, which must be returned unchanged."""
    return text.encode("utf-8", "surrogatepass")
