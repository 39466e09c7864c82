"""What `schedule.toml` says, as values: the pure model of day parts, shows, station ids and filler."""

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
    """A playlist's hours on some days of the week; it begins and ends with the item that is on air then."""

    title: str
    days: frozenset[int]
    """On which it begins: 0 is Monday."""
    begins: time
    ends: time
    """Not after `begins`: on the next day. 00:00 is the end of the day."""
    zone: ZoneInfo
    playlist: Path
    """Absolute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Show:
    """One item at a time of its own: once at `instant`, or at `at` on each of `days`."""

    title: str
    item: Item
    hard: bool
    """It begins at its second and cuts what is on air; else it waits for the end of that."""
    zone: ZoneInfo
    instant: datetime | None = None
    """In UTC."""
    days: frozenset[int] = EVERY_DAY
    at: time = time(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class StationId:
    """Short items that come between others, in turn, where `every_seconds` have passed since the last."""

    every_seconds: float
    items: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """All of it; an empty one leaves everything to the playlist."""

    zone: ZoneInfo = UTC
    """In which the day is shown."""
    parts: tuple[Daypart, ...] = ()
    """Where two overlap, the one that stands first holds."""
    shows: tuple[Show, ...] = ()
    station_id: StationId | None = None
    fill_seconds: float = FILL_SECONDS
    """In the last seconds before a hard start, filler follows the item that ends, unless the next is known to fit."""

    @property
    def empty(self) -> bool:
        """Nothing is scheduled."""
        return not (self.parts or self.shows or self.station_id)
