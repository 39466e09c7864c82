"""Reads the as-run log back: what was aired, newest first, for the page, its CSV and the band of the last day."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tg_video_streamer.asrun.history import BAND_SECONDS, LevelSpan

_FILES = 5
_CSV_COLUMNS = ("start", "end", "seconds", "level", "reason", "title", "key", "gap_seconds", "skew_seconds", "viewers")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True, slots=True)
class AsRunEntry:
    """One stretch as the log has it: times in UTC by ISO 8601, lengths in seconds; viewers at its end where known."""

    start: str
    end: str
    seconds: float
    level: str
    reason: str
    key: str
    title: str
    gap_seconds: float = 0.0
    skew_seconds: float = 0.0
    viewers: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AsRunFilter:
    """Which rows: times in seconds since 1970, `words` all to be found in the title, `level` empty for every one."""

    since_wall: float = float("-inf")
    until_wall: float = float("inf")
    words: str = ""
    level: str = ""

    def takes(self, row: AsRunEntry) -> bool:
        """Whether the row passes; one that only touches the time counts as inside."""
        title = row.title.casefold()
        return (
            wall(row.end) >= self.since_wall
            and wall(row.start) <= self.until_wall
            and (not self.level or row.level == self.level)
            and all(word in title for word in self.words.casefold().split())
        )


def aired(path: Path, wanted: AsRunFilter) -> Iterator[AsRunEntry]:
    """The rows of the log at `path` and its older siblings, newest first; a line that is torn is passed over.

    Reads files: call it in a thread. Raises OSError where a file that is there cannot be read.
    """
    for number in range(_FILES):
        file = path if number == 0 else path.with_name(f"{path.name}.{number}")
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
        for line in reversed(lines):
            row = _row(line)
            if row is None:
                continue
            if wall(row.end) < wanted.since_wall:
                return
            if wanted.takes(row):
                yield row


def recent_spans(path: Path, now: float) -> list[LevelSpan]:
    """The last day as spans, oldest first; an empty list where there is no log to read."""
    try:
        rows = list(aired(path, AsRunFilter(since_wall=now - BAND_SECONDS)))
    except OSError:
        return []
    return [
        LevelSpan(starts_wall=wall(row.start), ends_wall=wall(row.end), level=row.level, gap_seconds=row.gap_seconds)
        for row in reversed(rows)
    ]


def as_csv(rows: Iterable[AsRunEntry]) -> str:
    """A table by RFC 4180 with its header; a text that a spreadsheet would take for a formula gets a quote before it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_CSV_COLUMNS)
    for row in rows:
        writer.writerow([_cell(getattr(row, column)) for column in _CSV_COLUMNS])
    return out.getvalue()


def wall(iso: str) -> float:
    """A time of the log in seconds since 1970. Raises ValueError."""
    return datetime.fromisoformat(iso).timestamp()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return "" if value is None else value


def _row(line: str) -> AsRunEntry | None:
    """None for what is no row: a torn line, or one of a later version."""
    try:
        fields = json.loads(line)
        row = AsRunEntry(**{name: fields[name] for name in AsRunEntry.__dataclass_fields__ if name in fields})
        wall(row.start), wall(row.end)
    except (ValueError, TypeError, KeyError):
        return None
    return row if _typed(row, ("key", "title", "level", "reason")) else None


def _typed(row: AsRunEntry, names: Sequence[str]) -> bool:
    return all(isinstance(getattr(row, name), str) for name in names)
