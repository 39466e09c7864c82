"""The timetable over days of 23, 24 and 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.errors import ScheduleError
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.schedule.day import EntryKind, day_view, read_day
from tg_video_streamer.schedule.schedule import EVERY_DAY, Daypart, Schedule, Show, StationId
from tg_video_streamer.schedule.timetable import Timetable, instant_of

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "UTC")]
)
DAYS = st.sampled_from([date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1), date(2026, 4, 5)])
TIMES = st.times().map(lambda at: at.replace(microsecond=0))


def part(title: str, begins: time, ends: time, *, days: frozenset[int] = EVERY_DAY, zone: ZoneInfo = BERLIN) -> Daypart:
    """A daypart whose list has its name."""
    return Daypart(title=title, days=days, begins=begins, ends=ends, zone=zone, playlist=Path(f"/srv/{title}.txt"))


def show(at: time, *, zone: ZoneInfo = BERLIN, hard: bool = True) -> Show:
    """A daily show."""
    return Show(title="news", item=Item(LocatorKind.FILE, "/srv/news.mp4"), hard=hard, zone=zone, at=at)


@pytest.mark.parametrize(
    ("day", "at", "instant"),
    [
        (date(2026, 3, 29), time(1, 59, 59), datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
        (date(2026, 3, 29), time(2, 0), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (date(2026, 3, 29), time(2, 59, 59), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (date(2026, 3, 29), time(3, 0), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (date(2026, 10, 25), time(2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (date(2026, 10, 25), time(3, 0), datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
    ],
)
def test_times_that_do_not_exist_and_times_that_exist_twice(day: date, at: time, instant: datetime) -> None:
    """A skipped time is the moment of the change, a repeated one the first of the two."""
    assert instant_of(day, at, BERLIN) == instant


@given(DAYS, TIMES, TIMES, ZONES)
def test_times_stay_in_order(day: date, one: time, two: time, zone: ZoneInfo) -> None:
    """A later time of a day is never an earlier instant, and converts back to that time wherever it exists."""
    first, last = sorted((one, two))
    assert instant_of(day, first, zone) <= instant_of(day, last, zone)
    shown = instant_of(day, one, zone).astimezone(zone)
    exists = datetime.combine(day, one, zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    if exists == datetime.combine(day, one):
        assert shown.replace(tzinfo=None) == datetime.combine(day, one)
    else:
        before = (shown.astimezone(UTC) - timedelta(seconds=1)).astimezone(zone)
        assert shown.utcoffset() != before.utcoffset()


@given(DAYS, ZONES, st.lists(TIMES, min_size=2, max_size=6, unique=True))
def test_parts_that_follow_each_other_leave_no_hole(day: date, zone: ZoneInfo, times: list[time]) -> None:
    """From the first daypart's start to the last one's end every instant is in the right daypart."""
    times.sort()
    parts = [part(str(number), begins, ends, zone=zone) for number, (begins, ends) in enumerate(pairwise(times))]
    timetable = Timetable(Schedule(zone=zone, parts=tuple(parts)))
    for one in parts:
        begins, ends = instant_of(day, one.begins, zone), instant_of(day, one.ends, zone)
        if begins < ends:
            assert timetable.part_at(begins) is one
            assert timetable.part_at(ends - timedelta(seconds=1)) is one
    begins, ends = timetable.bounds(day)
    spans = timetable.spans(begins, ends)
    assert (spans[0].begins, spans[-1].ends) == (begins, ends)
    assert all(one.ends == two.begins and one.part is not two.part for one, two in pairwise(spans))
    assert all(timetable.part_at(span.begins) is span.part for span in spans)


@given(DAYS, ZONES, TIMES)
def test_a_daily_show_is_on_once_a_day(day: date, zone: ZoneInfo, at: time) -> None:
    """It starts once on each local day, also on days of 23 and 25 hours."""
    timetable = Timetable(Schedule(zone=zone, shows=(show(at, zone=zone),)))
    begins, _ = timetable.bounds(day - timedelta(days=2))
    _, ends = timetable.bounds(day + timedelta(days=2))
    found = timetable.shows(begins, ends)
    assert [one.begins.astimezone(zone).date() for one in found] == [day + timedelta(days=n) for n in range(-2, 3)]
    assert len({one.name for one in found}) == 5


def test_a_part_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    """Friday's night reaches into Saturday, and Saturday has none."""
    timetable = Timetable(Schedule(zone=BERLIN, parts=(part("night", time(22), time(6), days=frozenset({4})),)))
    assert timetable.part_at(datetime(2026, 5, 2, 5, 59, tzinfo=BERLIN)) is not None
    assert timetable.part_at(datetime(2026, 5, 2, 6, 0, tzinfo=BERLIN)) is None
    assert timetable.part_at(datetime(2026, 5, 2, 23, 0, tzinfo=BERLIN)) is None
    assert timetable.part_at(datetime(2026, 5, 1, 5, 0, tzinfo=BERLIN)) is None


def test_a_daypart_that_the_clock_change_skips_does_not_play() -> None:
    """A daypart that the clock change skips does not play; of two that overlap the first applies."""
    parts = (part("swallowed", time(2), time(3)), part("day", time(0), time(0)))
    timetable = Timetable(Schedule(zone=BERLIN, parts=parts))
    begins, ends = timetable.bounds(date(2026, 3, 29))
    assert ends - begins == timedelta(hours=23)
    assert [span.part.title for span in timetable.spans(begins, ends) if span.part] == ["day"]
    titles = [span.part.title for span in timetable.spans(*timetable.bounds(date(2026, 3, 30))) if span.part]
    assert titles == ["day", "swallowed", "day"]


def test_a_day_as_people_see_it() -> None:
    """Dayparts without a gap in local time, shows within them, station IDs last."""
    schedule = Schedule(
        zone=BERLIN,
        parts=(part("night", time(22), time(2, 30)),),
        shows=(show(time(2, 15)), show(time(20), hard=False)),
        station_id=StationId(every_seconds=1800, items=(Item(LocatorKind.FILE, "/srv/id.mp4"),)),
    )
    entries = day_view(Timetable(schedule), date(2026, 3, 29), playlist="playlist.txt")
    assert [(one.kind, one.title, one.starts[11:], one.ends[11:]) for one in entries] == [
        (EntryKind.PART, "night", "00:00:00+01:00", "03:00:00+02:00"),
        (EntryKind.PART, "Playlist", "03:00:00+02:00", "22:00:00+02:00"),
        (EntryKind.SHOW, "news", "03:00:00+02:00", ""),
        (EntryKind.SHOW, "news", "20:00:00+02:00", ""),
        (EntryKind.PART, "night", "22:00:00+02:00", "00:00:00+02:00"),
        (EntryKind.STATION_ID, "Station ID", "00:00:00+01:00", "00:00:00+02:00"),
    ]
    assert [one.hard for one in entries if one.kind is EntryKind.SHOW] == [True, False]
    for wrong in ("2026-02-30", "tomorrow", "2026-3-1", ""):
        with pytest.raises(ScheduleError, match="is not a day"):
            read_day(wrong)
