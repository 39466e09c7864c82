"""The private file of Telegram's facts that outlive a restart: chat, stream URL and key, account, spare."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

import structlog

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.disk import DISKS

log = structlog.get_logger(__name__)

NAME = "telegram.json"
_ACCOUNT = "account"
_WAITS = "waits"
_WRITE_SECONDS = 1.0
"""The event loop waits for it: what was put is on the disk, unless that hangs."""


class TelegramState:
    """Named records of plain JSON values; the file (mode 0600) is replaced whole at each change.

    It holds secrets: a live stream's key, and access hashes. A file that cannot be read counts as empty, since all in it
    can be asked for again; one that cannot be written is a WARNING, and what was put is known until the process ends.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is STATE_DIR."""
        self._path = folder / NAME
        self._records = self._read()

    def get(self, name: str) -> dict[str, Any]:
        """A copy of a record; an empty one where there is none."""
        return dict(self._records.get(name, {}))

    def put(self, name: str, record: dict[str, Any]) -> None:
        """Save a record, an empty one to delete it; it is on the disk when this returns."""
        if self._records.get(name, {}) == record:
            return
        self._records[name] = dict(record)
        try:
            DISKS.wait(_WRITE_SECONDS, self._path, self._write)
        except OSError as error:
            log.warning("telegram's state file cannot be written", file=str(self._path), why=error.strerror)

    def waits(self, mark: str) -> dict[str, float]:
        """The ends of FLOOD_WAITs by method, in seconds since 1970, of the session with that mark."""
        record = self.get(_WAITS)
        ends = record.get("ends")
        if record.get("mark") != mark or not isinstance(ends, dict):
            return {}
        return {
            str(method): float(end) for method, end in ends.items() if isinstance(end, int | float) and isfinite(end)
        }

    def put_waits(self, mark: str, ends: dict[str, float]) -> None:
        """Save them; those of another session are forgotten."""
        self.put(_WAITS, {"mark": mark, "ends": ends})

    @property
    def owner_id(self) -> int:
        """The user id of the session that worked last; 0 where none ever did."""
        found = self.get(_ACCOUNT).get("user_id", 0)
        return found if isinstance(found, int) else 0

    @owner_id.setter
    def owner_id(self, user_id: int) -> None:
        self.put(_ACCOUNT, {"user_id": user_id})

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            saved = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            # The text of the error may hold a piece of the file.
            log.warning(
                "telegram's state file is damaged and starts empty", file=str(self._path), why=type(error).__name__
            )
            return {}
        if not isinstance(saved, dict):
            return {}
        return {str(name): record for name, record in saved.items() if isinstance(record, dict)}

    def _write(self) -> None:
        records = {name: record for name, record in self._records.items() if record}
        replace_file(self._path, json.dumps(records).encode())
