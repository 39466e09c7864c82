"""How long an item is on: `for=2h` from its start, `until=18:30` by the clock; pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_LENGTH = re.compile(r"(?=\d)(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
LONGEST_SECONDS = 7 * 86_400


def parse_length(text: str) -> float:
    """`2h`, `90m`, `1h30m` or `45s` as seconds. Raises ValueError for anything else, nothing, and more than a week."""
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise ValueError(text)
    hours, minutes, last = (int(part or 0) for part in found.groups())
    total = hours * 3600 + minutes * 60 + last
    if not 0 < total <= LONGEST_SECONDS:
        raise ValueError(text)
    return float(total)


def parse_clock(text: str) -> str:
    """`18:30` with two digits each. Raises ValueError for anything else."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return f"{int(found[1]):02}:{found[2]}"


def ends_wall(started_wall: float, *, for_seconds: float | None, until: str) -> float | None:
    """When an item that started then is over; None: at its own end.

    `until` is the next such time of this host's clock after the start. Where both are given the earlier one counts.
    """
    ends = [] if for_seconds is None else [started_wall + for_seconds]
    if until:
        hours, minutes = map(int, until.split(":"))
        started = datetime.fromtimestamp(started_wall).astimezone()
        naive = started.replace(hour=hours, minute=minutes, second=0, microsecond=0, tzinfo=None)
        days = (naive + timedelta(days=number) for number in range(3))
        ends.append(next(wall for day in days if (wall := day.astimezone().timestamp()) > started_wall))
    return min(ends, default=None)
