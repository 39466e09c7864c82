"""Who watched what: the number of viewers over time with what was on air, and its sums by item, hour and day.

The file has a line at each change of either, and one a minute. What lies between two lines that are further apart is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from tg_video_streamer.asrun.entry import iso, wall
from tg_video_streamer.asrun.log import FILES

FILE_NAME = "audience.jsonl"
"""In STATE_DIR."""
REPEAT_SECONDS = 60.0
"""A line is written at least so often while the number is known."""
_KNOWN_SECONDS = 90.0
"""So long a number counts at most: the service may have ended after it."""


class AudienceBy(StrEnum):
    """What the rows of a table stand for."""

    ITEM = "item"
    HOUR = "hour"
    DAY = "day"
    CHANGE = "change"
    """Each arrival and departure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AudienceSample:
    """From `at` on (UTC by ISO 8601) so many watched; `viewers` None: not known."""

    at: str
    viewers: int | None
    level: str
    key: str = ""
    title: str = ""

    @classmethod
    def from_line(cls, line: str) -> Self:
        """The sample of a line. Raises ValueError where it is none."""
        try:
            fields = json.loads(line)
            sample = cls(**{name: fields[name] for name in ("at", "viewers", "level", "key", "title")})
            wall(sample.at)
        except (TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a sample: {error!r}") from error
        texts = (sample.level, sample.key, sample.title)
        if not all(isinstance(text, str) for text in texts) or not _is_count(sample.viewers):
            raise ValueError("not a sample: a value of another type")
        return sample

    def line(self) -> str:
        """It as one line of JSON."""
        fields = {name: getattr(self, name) for name in ("at", "viewers", "level", "key", "title")}
        return json.dumps(fields, ensure_ascii=False) + "\n"


def _is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class AudienceRow:
    """One row: an item, an hour, a day or a change, with who watched; times in UTC."""

    start: str
    title: str = ""
    key: str = ""
    level: str = ""
    seconds: float = 0.0
    """For how long the number was known."""
    average: float = 0.0
    peak: int = 0
    came: int = 0
    went: int = 0


COLUMNS = tuple(AudienceRow.__dataclass_fields__)


@dataclass(kw_only=True, slots=True)
class _Sum:
    start: str
    title: str = ""
    key: str = ""
    level: str = ""
    seconds: float = 0.0
    watched: float = 0.0
    peak: int = 0
    came: int = 0
    went: int = 0

    def row(self) -> AudienceRow:
        return AudienceRow(
            start=self.start,
            title=self.title,
            key=self.key,
            level=self.level,
            seconds=round(self.seconds, 1),
            average=round(self.watched / self.seconds, 2) if self.seconds else 0.0,
            peak=self.peak,
            came=self.came,
            went=self.went,
        )


def read_samples(path: Path, *, since_wall: float, until_wall: float) -> Iterator[AudienceSample]:
    """The samples of a time, oldest first, from the file at `path` and its older ones; a torn line is left out.

    Reads files: call it in a thread. Raises OSError where an existing file cannot be read.
    """
    for number in reversed(range(FILES)):
        file = path if number == 0 else path.with_name(f"{path.name}.{number}")
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                yield from _between(lines, since_wall, until_wall)
        except FileNotFoundError:
            continue


def _between(lines: Iterable[str], since_wall: float, until_wall: float) -> Iterator[AudienceSample]:
    since, until = (iso(min(max(one, 0.0), 32e9)) for one in (since_wall, until_wall))
    for line in lines:
        try:
            sample = AudienceSample.from_line(line)
        except ValueError:
            continue
        if since <= sample.at <= until:
            yield sample


def table(samples: Iterable[AudienceSample], by: AudienceBy) -> list[AudienceRow]:
    """The rows: changes newest first, days and hours newest first, items by how long they were watched in all."""
    if by is AudienceBy.CHANGE:
        return list(_changes(samples))[::-1]
    sums: dict[str, _Sum] = {}
    for before, sample in pairwise(samples):
        _add(sums, before, sample, by)
    if by is AudienceBy.ITEM:
        return [one.row() for one in sorted(sums.values(), key=lambda one: -one.watched)]
    return [sums[name].row() for name in sorted(sums, reverse=True)]


def _add(sums: dict[str, _Sum], before: AudienceSample, sample: AudienceSample, by: AudienceBy) -> None:
    if before.viewers is None:
        return
    seconds = wall(sample.at) - wall(before.at)
    if not 0 <= seconds <= _KNOWN_SECONDS:
        return
    one = _sum_of(sums, before, by)
    one.seconds += seconds
    one.watched += seconds * before.viewers
    one.peak = max(one.peak, before.viewers)
    if sample.viewers is not None:
        # What was on when they came or went: a change that is seen with another item was made before it.
        one.came += max(0, sample.viewers - before.viewers)
        one.went += max(0, before.viewers - sample.viewers)


def _sum_of(sums: dict[str, _Sum], sample: AudienceSample, by: AudienceBy) -> _Sum:
    if by is AudienceBy.ITEM:
        name = sample.key or sample.level
        found = sums.setdefault(name, _Sum(start=sample.at, key=sample.key, level=sample.level))
        found.title = sample.title or found.title
        return found
    start = f"{sample.at[:10]}T00:00:00Z" if by is AudienceBy.DAY else f"{sample.at[:13]}:00:00Z"
    return sums.setdefault(start, _Sum(start=start))


def _changes(samples: Iterable[AudienceSample]) -> Iterator[AudienceRow]:
    for before, sample in pairwise(samples):
        if before.viewers is None or sample.viewers is None or before.viewers == sample.viewers:
            continue
        if not 0 <= wall(sample.at) - wall(before.at) <= _KNOWN_SECONDS:
            continue
        yield AudienceRow(
            start=sample.at,
            title=before.title,
            key=before.key,
            level=before.level,
            average=float(sample.viewers),
            peak=max(before.viewers, sample.viewers),
            came=max(0, sample.viewers - before.viewers),
            went=max(0, before.viewers - sample.viewers),
        )


def cells(row: AudienceRow) -> Mapping[str, Any]:
    """The values of a row by column."""
    return {column: getattr(row, column) for column in COLUMNS}
