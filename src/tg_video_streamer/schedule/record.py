"""What of the schedule has been on air, on disk: a restart begins no show twice, and forgets none that it was down for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from tg_video_streamer.playlist.json_file import read_object, write_object

KEPT_SECONDS = 2 * 24 * 3600.0
"""A show is remembered for so long after its time: longer than it could still begin late."""
_VERSION = 1

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class ScheduleRecord:
    """A few facts in one small file, written whole at each change; a disk that takes nothing costs only them."""

    path: Path
    done: dict[str, float] = field(default_factory=dict)
    """Shows that were on air, or are not to be any more: by their names, with the time that they were to begin at."""
    station_id_wall: float = 0.0
    """When the last station id was on; 0 for never."""
    station_ids: int = 0
    """How many there were."""
    schedule_name: str = ""
    """Which schedule was in force: a digest of it."""

    @classmethod
    def read(cls, path: Path) -> ScheduleRecord:
        """What was written last; a new one, with a warning in the log where the file is damaged."""
        try:
            saved = read_object(path)
            return cls(path=path) if saved is None else cls._of(path, saved)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.warning("the record of the schedule is damaged, starting afresh", file=path.name, why=str(error))
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
        """A show has begun, or is not to begin any more."""
        self.done[name] = begins_wall
        self.done = {name: wall for name, wall in self.done.items() if wall > begins_wall - KEPT_SECONDS}

    def facts(self) -> dict[str, Any]:
        """All of it as JSON values, for `save`."""
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
            log.warning("what the schedule has played cannot be saved; on air goes on", error=error.strerror)
