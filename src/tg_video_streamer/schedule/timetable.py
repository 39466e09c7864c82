"""The schedule laid over the calendar: which part holds at an instant, and what begins when; pure.

All instants are in UTC, so days of 23 and 25 hours need no care here; what a local time means is `instant_of`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from tg_video_streamer.schedule.local_time import MIDNIGHT, day_after, instant_of
from tg_video_streamer.schedule.schedule import Daypart, Schedule, Show


@dataclass(frozen=True, kw_only=True, slots=True)
class Occurrence:
    """A show at one of its times."""

    show: Show
    begins: datetime

    @property
    def name(self) -> str:
        """What it is and when: the same after a restart."""
        return f"{self.show.item.key}@{self.begins.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A stretch of time in which one part holds; none: the playlist does."""

    part: Daypart | None
    begins: datetime
    ends: datetime


class Timetable:
    """Answers for one schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def part_at(self, instant: datetime) -> Daypart | None:
        """The part that holds at `instant`, any aware time; None where none does."""
        for part in self.schedule.parts:
            if any(begins <= instant < ends for begins, ends in _occasions(part, instant, instant)):
                return part
        return None

    def spans(self, begins: datetime, ends: datetime) -> tuple[Span, ...]:
        """All of the time from `begins` to `ends`, in order, without a hole; neighbours differ in their part."""
        edges = {begins, ends}
        for part in self.schedule.parts:
            edges.update(edge for occasion in _occasions(part, begins, ends) for edge in occasion)
        found: list[Span] = []
        for start, end in pairwise(sorted(edge for edge in edges if begins <= edge <= ends)):
            holds = self.part_at(start)
            joins = bool(found) and found[-1].part is holds
            since = found.pop().begins if joins else start
            found.append(Span(part=holds, begins=since, ends=end))
        return tuple(found)

    def shows(self, begins: datetime, ends: datetime) -> tuple[Occurrence, ...]:
        """Every show that begins from `begins` on and before `ends`; of several at once in the file's order."""
        found = [
            Occurrence(show=show, begins=instant)
            for show in self.schedule.shows
            for instant in _beginnings(show, begins, ends)
            if begins <= instant < ends
        ]
        return tuple(sorted(found, key=lambda one: one.begins))

    def bounds(self, day: date) -> tuple[datetime, datetime]:
        """When `day` begins and ends in the schedule's zone: 23, 24 or 25 hours."""
        zone = self.schedule.zone
        return instant_of(day, MIDNIGHT, zone), instant_of(day_after(day), MIDNIGHT, zone)


def _occasions(part: Daypart, begins: datetime, ends: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Every time of `part` that may touch that time; clocks put forward over all of one leave nothing of it."""
    over_midnight = part.ends <= part.begins
    for day in _days(begins, ends, part.zone):
        if day.weekday() in part.days:
            last_day = day_after(day) if over_midnight else day
            occasion = instant_of(day, part.begins, part.zone), instant_of(last_day, part.ends, part.zone)
            if occasion[0] < occasion[1]:
                yield occasion


def _beginnings(show: Show, begins: datetime, ends: datetime) -> Iterator[datetime]:
    if show.instant is not None:
        yield show.instant
        return
    for day in _days(begins, ends, show.zone):
        if day.weekday() in show.days:
            yield instant_of(day, show.at, show.zone)


def _days(begins: datetime, ends: datetime, zone: ZoneInfo) -> Iterator[date]:
    """The local days of that time, and one more at either side."""
    day = begins.astimezone(zone).date() - timedelta(days=1)
    last = day_after(ends.astimezone(zone).date())
    while day < last:
        yield day
        day = day_after(day)
    yield last
