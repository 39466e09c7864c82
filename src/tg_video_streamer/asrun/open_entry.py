"""The stretch that is on air now, kept on disk, so that the as-run log has a line for it even after a kill."""

from __future__ import annotations

import json
import os
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.events import SegmentEnded, SegmentStarted, SourceLevel

log = structlog.get_logger(__name__)

KEPT_SECONDS = 1.0
"""How often the time is kept: by so much the end of a killed stretch may be too early."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stretch:
    started: float
    level: str
    key: str
    title: str


class OpenEntry:
    """One file: what is on air, and by its time of change until when it certainly was. Used by one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: _Stretch | None = None
        self._failing = False

    def left(self) -> SegmentEnded | None:
        """What was on air when an earlier run of the service was killed; its gap and skew are not known and 0."""
        try:
            until = self._path.stat().st_mtime
            one = _Stretch(**json.loads(self._path.read_bytes()))
            return SegmentEnded(
                started=float(one.started),
                wall=max(until, one.started),
                level=SourceLevel(one.level),
                reason="killed",
                key=str(one.key),
                title=str(one.title),
                seconds=max(0.0, until - one.started),
                gap_seconds=0.0,
                skew_seconds=0.0,
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            log.warning("what was on air at the last end is not known", why=type(error).__name__)
            return None

    def keep(self, event: SegmentStarted | None) -> None:
        """`event` is on air still; None: nothing is. A disk that takes nothing costs this line only, and is told once."""
        wanted = None
        if event is not None:
            wanted = _Stretch(started=event.wall, level=str(event.level), key=event.key, title=event.title)
        try:
            if wanted is None:
                self._path.unlink(missing_ok=True)
            elif wanted != self._kept:
                replace_file(self._path, json.dumps(asdict(wanted)).encode(), durable=False)
            else:
                os.utime(self._path)
            self._kept = wanted
            self._failing = False
        except OSError as error:
            self._kept = None
            if not self._failing:
                log.warning("what is on air cannot be kept for the as-run log", error=error.strerror)
            self._failing = True


def is_written(path: Path, stretch: SegmentEnded) -> bool:
    """Whether the as-run log at `path` has a line for `stretch` already: the kill came right behind it."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            last = "".join(deque(lines, maxlen=1))
        record = json.loads(last)
        return bool(record["start"] == iso(stretch.started) and record["key"] == stretch.key)
    except (OSError, ValueError, TypeError, KeyError):
        return False


def iso(wall: float) -> str:
    """UTC by ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
