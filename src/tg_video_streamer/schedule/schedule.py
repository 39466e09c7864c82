"""The values of `schedule.toml`: dayparts, shows, station IDs and filler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from tg_video_streamer.playlist.item import Item

EVERY_DAY = frozenset(range(7))
FILL_SECONDS = 60.0
UTC = ZoneInfo("UTC")


@dataclass(frozen=True, kw_only=True, slots=True)
class Daypart:
    """The hours of a playlist on some days of the week; they start and end between two items."""

    title: str
    days: frozenset[int]
    """On which it starts: 0 is Monday."""
    begins: time
    ends: time
    """Not after `begins`: on the next day. 00:00 is the end of the day."""
    zone: ZoneInfo
    playlist: Path
    """Absolute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Show:
    """One item at a fixed time: once at `instant`, or at `at` on each of `days`."""

    title: str
    item: Item
    hard: bool
    """It starts at its second and cuts the item on air; a soft one waits for its end."""
    zone: ZoneInfo
    instant: datetime | None = None
    """In UTC."""
    days: frozenset[int] = EVERY_DAY
    at: time = time(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class StationId:
    """Short items, played in turn between others every `every_seconds`."""

    every_seconds: float
    items: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """The whole schedule; with an empty one the playlist plays all the time."""

    zone: ZoneInfo = UTC
    """The zone that days are shown in."""
    parts: tuple[Daypart, ...] = ()
    """Of overlapping ones the first in the file applies."""
    shows: tuple[Show, ...] = ()
    station_id: StationId | None = None
    fill_seconds: float = FILL_SECONDS
    """In the last seconds before a hard start, filler follows the item that ends, unless the next is known to fit."""

    @property
    def empty(self) -> bool:
        """Nothing is scheduled."""
        return not (self.parts or self.shows or self.station_id)
