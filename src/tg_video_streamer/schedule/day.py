"""One day of the schedule in local time, for people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from tg_video_streamer.display_text import show
from tg_video_streamer.errors import ScheduleError
from tg_video_streamer.schedule.timetable import Timetable


class EntryKind(StrEnum):
    """What an entry of a day is."""

    PART = "part"
    SHOW = "show"
    STATION_ID = "station_id"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduledEntry:
    """One entry of a day; times in seconds since 1970, and in the schedule's zone as ISO 8601 with offset."""

    kind: EntryKind
    title: str
    starts_wall: float
    starts: str
    ends_wall: float | None = None
    """None where unknown, as for most shows."""
    ends: str = ""
    hard: bool = False
    playlist: str = ""
    """Of a daypart: the file name."""
    every_minutes: float = 0.0
    """Of station IDs."""

    def __post_init__(self) -> None:
        show(self, "title", "playlist")


def today(timetable: Timetable, wall: float) -> date:
    """The day at `wall` in the schedule's zone."""
    return datetime.fromtimestamp(wall, timetable.schedule.zone).date()


def read_day(text: str) -> date:
    """A day as YYYY-MM-DD. Raises ScheduleError."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError:
        pass  # a day that the month does not have
    raise ScheduleError([f"'{text[:20]}' is not a day; write it as 2026-03-29"])


def day_view(timetable: Timetable, day: date, *, playlist: str) -> tuple[ScheduledEntry, ...]:
    """The dayparts of `day` without a gap, the shows that start on it, and the station IDs.

    `playlist` is the file name of the playlist that plays outside every daypart. Sorted by start, a daypart before the
    shows in it, station IDs last.
    """
    begins, ends = timetable.bounds(day)
    entries = [
        _entry(
            timetable,
            span.begins,
            span.ends,
            kind=EntryKind.PART,
            title=span.part.title if span.part is not None else "Playlist",
            playlist=span.part.playlist.name if span.part is not None else playlist,
        )
        for span in timetable.spans(begins, ends)
    ]
    for one in timetable.shows(begins, ends):
        item = one.show.item
        seconds = None if item.end_seconds is None else item.end_seconds - item.start_seconds
        until = None if seconds is None else datetime.fromtimestamp(one.begins.timestamp() + seconds, UTC)
        entries.append(
            _entry(timetable, one.begins, until, kind=EntryKind.SHOW, title=one.show.title, hard=one.show.hard)
        )
    if (station_id := timetable.schedule.station_id) is not None:
        minutes = station_id.every_seconds / 60
        entries.append(
            _entry(timetable, begins, ends, kind=EntryKind.STATION_ID, title="Station ID", every_minutes=minutes)
        )
    return tuple(sorted(entries, key=lambda entry: (entry.kind is EntryKind.STATION_ID, entry.starts_wall)))


def _entry(
    timetable: Timetable,
    begins: datetime,
    ends: datetime | None,
    *,
    kind: EntryKind,
    title: str,
    hard: bool = False,
    playlist: str = "",
    every_minutes: float = 0.0,
) -> ScheduledEntry:
    zone = timetable.schedule.zone
    return ScheduledEntry(
        kind=kind,
        title=title,
        starts_wall=begins.timestamp(),
        starts=begins.astimezone(zone).isoformat(timespec="seconds"),
        ends_wall=ends.timestamp() if ends is not None else None,
        ends=ends.astimezone(zone).isoformat(timespec="seconds") if ends is not None else "",
        hard=hard,
        playlist=playlist,
        every_minutes=every_minutes,
    )
