"""Converts local times to instants, also on days when the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MIDNIGHT = time(0)


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
