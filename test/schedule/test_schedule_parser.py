"""What `schedule.toml` may contain, and that every mistake is reported with its line."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.errors import ScheduleError
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.schedule.load import ScheduleSource, load, missing
from tg_video_streamer.schedule.parser import parse
from tg_video_streamer.schedule.schedule import Schedule

BASE = "/srv/channel"
WHOLE = """
time_zone = "Europe/Berlin"
fill_seconds = 90

[[part]]
title = "Night"
days = ["fri", "Saturday"]
from = "22:00"
to = "06:00"
playlist = "lists/night.txt"

[[show]]
title = "News"
at = "20:00"
days = ["mon"]
item = "news.mp4 | end=15:00"
start = "hard"

[[show]]
at = 2026-03-29T02:30:00
time_zone = "America/New_York"
item = "https://example.org/talk"

[station_id]
every_minutes = 30
items = ["one.mp4", "two.mp4"]
"""


def read(text: str) -> Schedule:
    """The schedule in a text."""
    return parse(text, base=BASE, allowed=AllowedFolders.of([BASE]))


def problems(text: str) -> list[str]:
    """The problems of a wrong one."""
    with pytest.raises(ScheduleError) as raised:
        read(text)
    return raised.value.problems


def test_everything_that_can_be_said() -> None:
    """Dayparts, daily and single shows, station IDs, zones and filler are read as written."""
    found = read(WHOLE)
    (night,) = found.parts
    news, talk = found.shows
    assert found.zone.key == "Europe/Berlin"
    assert (night.title, night.days, night.begins, night.ends) == ("Night", frozenset({4, 5}), time(22), time(6))
    assert night.playlist == Path(BASE, "lists/night.txt")
    assert (news.title, news.days, news.at, news.hard) == ("News", frozenset({0}), time(20), True)
    assert (news.item.locator, news.item.end_seconds) == (f"{BASE}/news.mp4", 900)
    assert (talk.title, talk.instant, talk.hard) == ("example.org", datetime(2026, 3, 29, 6, 30, tzinfo=UTC), False)
    assert found.station_id is not None
    assert (found.station_id.every_seconds, len(found.station_id.items)) == (1800, 2)
    assert found.fill_seconds == 90


def test_a_whole_day() -> None:
    """From 00:00 to 24:00 is all of it."""
    (part,) = read('time_zone = "UTC"\n[[part]]\nfrom = "00:00"\nto = "24:00"\nplaylist = "p"').parts
    assert (part.begins, part.ends) == (time(0), time(0))


def test_an_empty_file_schedules_nothing() -> None:
    """A file without a line is the same as none: a host's is made empty."""
    assert read("").empty
    assert read("# nothing yet\n").empty


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("time_zone = Berlin", "line 1: Invalid value"),
        ('time_zone = "Europe/Berln"', "time_zone: 'Europe/Berln' is not a time zone"),
        ('[[part]]\nfrom = "1:00"\nto = "2:00"\nplaylist = "p"', "line 1: part 1: time_zone: is missing"),
        ('time_zone = "UTC"\n[[part]]\nfrom = "25:00"\nto = "2:00"\nplaylist = "p"', "line 2: part 1: from: must be"),
        ('time_zone = "UTC"\n[[part]]\nfrom = "2:00"\nto = "2:00"\nplaylist = "p"', "part 1: to: is the same as from"),
        ('time_zone = "UTC"\n[[part]]\nfrom = "2:00"\nto = "3:00"', "part 1: playlist: is missing"),
        ('time_zone = "UTC"\n[[show]]\nat = "20:00"\nitem = "/etc/passwd"', "show 1: item: /etc/passwd is outside"),
        ('time_zone = "UTC"\n[[show]]\ntitle = "A"\nitem = "a"', "show 1 (A): at: is missing"),
        ('time_zone = "UTC"\n[[show]]\nat = 2026-01-01\nitem = "a"', "show 1: at: must be a time"),
        ('time_zone = "UTC"\n[[show]]\nat = 0001-01-01T00:00:00\nitem = "a"', "the year must be"),
        ('time_zone = "UTC"\n[[show]]\nat = "1:00"\nitem = "a"\nstart = "firm"', 'start: must be "hard"'),
        ('time_zone = "UTC"\n[[show]]\nat = 2026-01-01T00:00:00\nitem = "a"\ndays = ["mon"]', "days: are only for"),
        ('time_zone = "UTC"\n[[show]]\nat = "1:00"\nitem = "a"\ndays = ["mo"]', "days: 'mo' is not a day"),
        ("[station_id]\nevery_minutes = 0\nitems = []", "every_minutes: must be a number from 1"),
        ('[station_id]\nevery_minutes = 5\nitem = "a"', "item: is unknown; did you mean items?"),
        ("fill_seconds = -1", "fill_seconds: must be a number"),
        ("[part]\nfrom = 1", "part: must be tables: [[part]]"),
        ("show = [1]", "show: must be tables"),
        ("part = " + "[" * 2000, ""),
    ],
)
def test_a_mistake_is_reported_with_its_line(text: str, told: str) -> None:
    """The line, the table with its title, the key, what is wrong and what to write."""
    assert any(told in problem for problem in problems(text))


def test_all_mistakes_are_reported_together() -> None:
    """One look at the list is enough to mend the file."""
    text = WHOLE.replace("22:00", "22:60").replace('"mon"', '"one"').replace('"hard"', '"harsh"').replace("every_", "")
    assert len(problems(text)) == 5


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.times() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_KEYS = st.sampled_from(
    ["title", "days", "from", "to", "playlist", "at", "item", "items", "start", "time_zone", "every_minutes"]
)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, str):
        kept = "".join(letter for letter in value or "" if letter.isprintable() and letter not in '"\\')
        return f'"{kept}"'
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    """Whatever is written, it is a schedule or a list of problems."""
    _read_or_refused(text)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "time_zone": _VALUES | st.just("Europe/Berlin"),
            "fill_seconds": _VALUES,
            "part": st.lists(st.dictionaries(_KEYS, _VALUES)) | _VALUES,
            "show": st.lists(st.dictionaries(_KEYS, _VALUES)) | _VALUES,
            "station_id": st.dictionaries(_KEYS, _VALUES) | _VALUES,
        },
    )
)
def test_no_value_is_too_strange(values: dict[str, Any]) -> None:
    """Values of any type under the known keys are read or reported."""
    _read_or_refused("\n".join(f"{key} = {_toml(value)}" for key, value in values.items()))


def _read_or_refused(text: str) -> None:
    told = ["read"]
    try:
        read(text)
    except ScheduleError as error:
        told = error.problems
    assert told
    assert all(problem.strip() for problem in told)


def test_the_file_on_the_disk(tmp_path: Path) -> None:
    """No file is an empty schedule; binary files and missing media are reported."""
    source = ScheduleSource(path=tmp_path / "schedule.toml")
    assert load(source).empty
    source.path.write_bytes(b'time_zone = "UTC"\n\xff')
    with pytest.raises(ScheduleError, match="line 2: has bytes that are not UTF-8"):
        load(source)
    source.path.write_text(
        'time_zone = "UTC"\n[[part]]\nfrom = "1:00"\nto = "2:00"\nplaylist = "night.txt"\n'
        '[[show]]\nat = "3:00"\nitem = "gone.mp4"\n[station_id]\nevery_minutes = 5\nitems = ["id.mp4"]\n'
    )
    (tmp_path / "id.mp4").touch()
    told = missing(load(source), source)
    assert len(told) == 2
    assert "night.txt" in told[0]
    assert "gone.mp4 does not exist" in told[1]
