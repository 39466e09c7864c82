"""Reads the as-run log back: entries newest first, their CSV, and the last day as spans of one level."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tg_video_streamer.asrun.entry import COLUMNS, AsRunEntry, wall
from tg_video_streamer.asrun.history import BAND_SECONDS, LevelSpan
from tg_video_streamer.asrun.log import FILES

_FORMULA = re.compile(r"""(^|[;|\t\r\n])([\s"']*)(?=[=+@＝＋－＠-])""")  # noqa: RUF001 - some spreadsheets read the wide ones too
"""Before a sign that begins a formula: where a text begins, and where another separator than the comma ends a cell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AsRunFilter:
    """Which entries: times in seconds since 1970, every one of `words` in the title, `level` empty for every level, `cached`: only these."""

    since_wall: float = float("-inf")
    until_wall: float = float("inf")
    words: str = ""
    level: str = ""
    cached: bool = False

    def matches(self, entry: AsRunEntry) -> bool:
        """Whether the entry passes; one that only touches the time does."""
        title = entry.title.casefold()
        return (
            wall(entry.end) >= self.since_wall
            and wall(entry.start) <= self.until_wall
            and (not self.level or entry.level == self.level)
            and (entry.cached or not self.cached)
            and all(word in title for word in self.words.casefold().split())
        )


def read_entries(path: Path, wanted: AsRunFilter) -> Iterator[AsRunEntry]:
    """The entries of the log at `path` and its older files, newest first; a torn line is left out.

    Reads files: call it in a thread. Raises OSError where an existing file cannot be read.
    """
    plain = tuple(word for word in wanted.words.casefold().split() if word.isalnum())
    for number in range(FILES):
        file = path if number == 0 else path.with_name(f"{path.name}.{number}")
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
        for line in reversed(lines):
            if not _may_match(line, plain):
                continue
            try:
                entry = AsRunEntry.from_line(line)
            except ValueError:
                continue
            if wall(entry.end) < wanted.since_wall:
                return
            if wanted.matches(entry):
                yield entry


def _may_match(line: str, plain: tuple[str, ...]) -> bool:
    """Whether words that JSON writes as they are stand in the line at all: parsing it costs ten times as much."""
    if not plain:
        return True
    folded = line.casefold()
    return "\\u" in line or all(word in folded for word in plain)


def recent_spans(path: Path, now: float) -> list[LevelSpan]:
    """The last day as spans, oldest first; an empty list where there is no log."""
    try:
        entries = list(read_entries(path, AsRunFilter(since_wall=now - BAND_SECONDS)))
    except OSError:
        return []
    return [
        LevelSpan(starts_wall=wall(one.start), ends_wall=wall(one.end), level=one.level, gap_seconds=one.gap_seconds)
        for one in reversed(entries)
    ]


def as_csv(entries: Iterable[AsRunEntry]) -> str:
    """A table by RFC 4180 with its header; a quote stands before each sign that a spreadsheet would read as a formula.

    A spreadsheet may open the file with another separator, and then knows no quotation marks around `a;=1`.
    """
    return csv_text(COLUMNS, ({column: getattr(entry, column) for column in COLUMNS} for entry in entries))


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The same for any rows, by column."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return _FORMULA.sub(r"\1\2'", value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value
