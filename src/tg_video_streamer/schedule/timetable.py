"""The schedule on the calendar: the daypart at an instant, and the shows in a range; pure.

All instants are in UTC, so days of 23 and 25 hours need no special case; `instant_of` converts local times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from tg_video_streamer.schedule.schedule import Daypart, Schedule, Show

MIDNIGHT = time(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Occurrence:
    """A show at one of its times."""

    show: Show
    begins: datetime

    @property
    def name(self) -> str:
        """Item and time: the same after a restart."""
        return f"{self.show.item.key}@{self.begins.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A range of time of one daypart; None: the playlist."""

    part: Daypart | None
    begins: datetime
    ends: datetime


class Timetable:
    """Answers for one schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def part_at(self, instant: datetime) -> Daypart | None:
        """The daypart at `instant`, any aware time; None outside every daypart."""
        for part in self.schedule.parts:
            if any(begins <= instant < ends for begins, ends in _occasions(part, instant, instant)):
                return part
        return None

    def spans(self, begins: datetime, ends: datetime) -> tuple[Span, ...]:
        """The time from `begins` to `ends` without a gap; neighbors have different dayparts."""
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
        """Every show that starts from `begins` on and before `ends`; those at one time in the file's order."""
        found = [
            Occurrence(show=show, begins=instant)
            for show in self.schedule.shows
            for instant in _times(show, begins, ends)
            if begins <= instant < ends
        ]
        return tuple(sorted(found, key=lambda one: one.begins))

    def bounds(self, day: date) -> tuple[datetime, datetime]:
        """Start and end of `day` in the schedule's zone: 23, 24 or 25 hours."""
        zone = self.schedule.zone
        return instant_of(day, MIDNIGHT, zone), instant_of(day_after(day), MIDNIGHT, zone)


def _occasions(part: Daypart, begins: datetime, ends: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Every occasion of `part` that may overlap the range; one that a clock change skips is left out."""
    over_midnight = part.ends <= part.begins
    for day in _days(begins, ends, part.zone):
        if day.weekday() in part.days:
            last_day = day_after(day) if over_midnight else day
            occasion = instant_of(day, part.begins, part.zone), instant_of(last_day, part.ends, part.zone)
            if occasion[0] < occasion[1]:
                yield occasion


def _times(show: Show, begins: datetime, ends: datetime) -> Iterator[datetime]:
    if show.instant is not None:
        yield show.instant
        return
    for day in _days(begins, ends, show.zone):
        if day.weekday() in show.days:
            yield instant_of(day, show.at, show.zone)


def _days(begins: datetime, ends: datetime, zone: ZoneInfo) -> Iterator[date]:
    """The local days of the range, and one more at each side."""
    day = begins.astimezone(zone).date() - timedelta(days=1)
    last = day_after(ends.astimezone(zone).date())
    while day < last:
        yield day
        day = day_after(day)
    yield last


def instant_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which clocks in `zone` show `at` on `day`.

    A time that the change skips is the moment of the change; one that occurs twice is the first of the two.
    """
    local = datetime.combine(day, at.replace(fold=0), zone)
    first = local.astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None, fold=0) == local.replace(tzinfo=None):
        return first
    # With fold=1 the offset after the change applies: the change is between the two instants.
    return _change_between(local.replace(fold=1).astimezone(UTC), first, zone)


def day_after(day: date) -> date:
    """The next day; the calendar's last day is its own next."""
    return day + timedelta(days=1) if day < date.max else day


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first whole second with the offset of `after`; at `before` it does not apply."""
    offset = after.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)
