"""Records on disk which shows are done: a restart starts no show twice and misses none."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from tg_video_streamer.playlist.json_file import read_object, write_object

KEPT_SECONDS = 2 * 24 * 3600.0
"""How long a done show is recorded: longer than it could still start late."""
_VERSION = 1

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class ScheduleRecord:
    """One small file, replaced at each change; a failing disk never stops the program."""

    path: Path
    done: dict[str, float] = field(default_factory=dict)
    """The times of shows that were on air or left out, by their names."""
    station_id_wall: float = 0.0
    """When the last station ID was on air; 0: never."""
    station_ids: int = 0
    """How many were on air."""
    schedule_name: str = ""
    """A digest of the schedule in force."""

    @classmethod
    def read(cls, path: Path) -> ScheduleRecord:
        """The saved record; a new one, with a warning where the file is damaged."""
        try:
            saved = read_object(path)
            return cls(path=path) if saved is None else cls._of(path, saved)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.warning("the record of the schedule is damaged and ignored", file=path.name, why=str(error))
            return cls(path=path)

    @classmethod
    def _of(cls, path: Path, saved: dict[str, Any]) -> ScheduleRecord:
        if saved["version"] != _VERSION:
            raise ValueError("written by another version")
        return cls(
            path=path,
            done={str(name): float(wall) for name, wall in saved["done"].items()},
            station_id_wall=float(saved["station_id_wall"]),
            station_ids=max(0, int(saved["station_ids"])),
            schedule_name=str(saved["schedule_name"]),
        )

    def finish(self, name: str, begins_wall: float) -> None:
        """A show has started, or is left out."""
        self.done[name] = begins_wall
        self.done = {name: wall for name, wall in self.done.items() if wall > begins_wall - KEPT_SECONDS}

    def facts(self) -> dict[str, Any]:
        """The record as JSON values, for `save`."""
        return {
            "version": _VERSION,
            "done": dict(self.done),
            "station_id_wall": self.station_id_wall,
            "station_ids": self.station_ids,
            "schedule_name": self.schedule_name,
        }

    def save(self, facts: dict[str, Any]) -> None:
        """Write `facts`; blocks for the time of a small file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_object(self.path, facts, synced=False)
        except OSError as error:
            log.warning("the record of the schedule cannot be saved; the program continues", error=error.strerror)
