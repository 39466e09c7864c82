"""The SQLite file of the index: opens and checks it, moves a damaged one aside, uses memory on a full disk."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import structlog

SCHEMA_VERSION = 2
_BUSY_SECONDS = 2.0
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE copies (
    key TEXT PRIMARY KEY, item_key TEXT NOT NULL, source_id TEXT NOT NULL, title TEXT NOT NULL, duration_seconds REAL,
    frames INTEGER NOT NULL, bytes INTEGER NOT NULL, created_wall REAL NOT NULL, played_wall REAL NOT NULL,
    plays INTEGER NOT NULL, turn INTEGER NOT NULL, frame_rate INTEGER NOT NULL DEFAULT 25
);
CREATE INDEX copies_by_turn ON copies (turn);
CREATE INDEX copies_by_item ON copies (item_key);
CREATE TABLE sources (
    item_key TEXT PRIMARY KEY, source_id TEXT NOT NULL, title TEXT NOT NULL, duration_seconds REAL,
    checked_wall REAL NOT NULL, gone_reason TEXT NOT NULL
);
PRAGMA user_version = %d;
COMMIT;
"""
# Before version 2 there was one frame rate.
_FROM_VERSION_1 = """
BEGIN IMMEDIATE;
ALTER TABLE copies ADD COLUMN frame_rate INTEGER NOT NULL DEFAULT 25;
PRAGMA user_version = 2;
COMMIT;
"""
_NOT_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_MISUSE,
    }
)
"""Result codes that do not mean a damaged file (sqlite.org/rescode.html)."""

_log = structlog.get_logger(__name__)


class IndexFile:
    """One connection to the file at `path`, or to memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self.in_memory = ""
        """Why the connection is to memory; empty if it is to the file."""

    @property
    def connection(self) -> sqlite3.Connection:
        """Raises sqlite3.ProgrammingError if none is open."""
        if self._connection is None:
            raise sqlite3.ProgrammingError("the library's index is closed")
        return self._connection

    def open(self) -> bool:
        """Open a usable file; True if it had to be created. Raises sqlite3.Error."""
        self.close()
        try:
            return self._open_file()
        except sqlite3.DatabaseError as error:
            if self.is_damage(error):
                self.move_aside(str(error))
                return self._open_file()
            self._open_memory(str(error))
        except OSError as error:
            self._open_memory(error.strerror or str(error))
        return False

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def is_current(self) -> bool:
        """Whether the path still names the open file: it may have been removed or rebuilt."""
        if self._connection is None:
            return False
        return bool(self.in_memory) or self._identity == _identity(self._path)

    def is_damage(self, error: sqlite3.DatabaseError) -> bool:
        """Whether the file's content is wrong, not the disk or another process."""
        code = getattr(error, "sqlite_errorcode", None)
        return not isinstance(error, sqlite3.ProgrammingError) and (code is None or code & 0xFF not in _NOT_DAMAGE)

    def move_aside(self, why: str) -> None:
        """Rename the damaged file, unless another process has done so. Raises OSError."""
        ours = not self.in_memory and self._identity in (None, _identity(self._path))
        self.close()
        if not ours:
            return
        _log.warning("damaged library index moved aside", file=self._path.name, why=why)
        with contextlib.suppress(FileNotFoundError):
            self._path.replace(self._path.with_suffix(".damaged"))
        self._remove_log()

    def _open_file(self) -> bool:
        made = self._create_file()
        if made:
            # A log without its database belongs to a removed one.
            self._remove_log()
        self._identity = _identity(self._path)
        self._connection = db = self._connect(str(self._path))
        self.in_memory = ""
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        tables = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if not tables and not version:
            self._migrate(db, _SCHEMA % SCHEMA_VERSION)
            return True
        if version == 1:
            self._migrate(db, _FROM_VERSION_1)
        elif version != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"it has the schema version {version}")
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))
        return made

    def _create_file(self) -> bool:
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return False
        return True

    def _migrate(self, db: sqlite3.Connection, script: str) -> None:
        try:
            db.executescript(script)
        except sqlite3.OperationalError:
            # Another process may have done the same at the same moment.
            if db.in_transaction:
                db.execute("ROLLBACK")
            if db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
                raise

    def _open_memory(self, why: str) -> None:
        self.close()
        self.in_memory = why
        self._identity = None
        self._connection = self._connect(":memory:")
        self._connection.executescript(_SCHEMA % SCHEMA_VERSION)

    def _connect(self, name: str) -> sqlite3.Connection:
        db = sqlite3.connect(name, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        db.text_factory = _text
        return db

    def _remove_log(self) -> None:
        for ending in ("-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise sqlite3.DatabaseError("it holds text in a wrong encoding") from error
