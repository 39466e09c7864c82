"""Who watched what: the lines that are written, and the tables that are made of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stands.virtual_time import SetClock
from tg_video_streamer.asrun.audience import AudienceBy, AudienceSample, read_samples, table
from tg_video_streamer.asrun.audience_log import AudienceLog
from tg_video_streamer.asrun.entry import iso
from tg_video_streamer.events import AirContent, SourceLevel

NOON = 1_777_636_800.0
"""2026-05-01 12:00 UTC."""


def sample(seconds: float, viewers: int | None, key: str = "a") -> AudienceSample:
    """What was known so long after noon; `key` is the title too."""
    return AudienceSample(at=iso(NOON + seconds), viewers=viewers, level="item", key=key, title=key.upper())


HOUR = [
    sample(0, 10),
    sample(60, 10),
    sample(90, 14),
    sample(120, 14, "b"),
    sample(150, 8, "b"),
    sample(180, None, "b"),
    sample(240, None, "b"),
    sample(300, 5, "b"),
    # The service did not run.
    sample(3600, 20, "c"),
    sample(3630, 21, "c"),
    sample(3640, 21, "c"),
]


def test_items_have_who_watched_them() -> None:
    """By how long they were watched in all, with average, peak, arrivals and departures; what is not known counts for nothing."""
    found = table(HOUR, AudienceBy.ITEM)
    assert [(one.title, one.seconds, one.average, one.peak, one.came, one.went) for one in found] == [
        ("A", 120.0, 11.0, 14, 4, 0),
        ("C", 40.0, 20.25, 21, 1, 0),
        ("B", 60.0, 11.0, 14, 0, 6),
    ]


def test_hours_and_days_are_sums_of_the_same() -> None:
    """In UTC, the newest first."""
    hours = table(HOUR, AudienceBy.HOUR)
    assert [(one.start, one.seconds, one.peak, one.came, one.went) for one in hours] == [
        ("2026-05-01T13:00:00Z", 40.0, 21, 1, 0),
        ("2026-05-01T12:00:00Z", 180.0, 14, 4, 6),
    ]
    (day,) = table(HOUR, AudienceBy.DAY)
    assert (day.start, day.seconds, day.came, day.went) == ("2026-05-01T00:00:00Z", 220.0, 5, 6)


def test_a_change_has_what_they_saw() -> None:
    """Each arrival and departure, with what was on; none is made up over a time that is not known."""
    changes = table(HOUR, AudienceBy.CHANGE)
    assert [(one.title, one.came, one.went) for one in changes] == [("C", 1, 0), ("B", 0, 6), ("A", 4, 0)]


def test_a_torn_or_foreign_line_is_left_out(tmp_path: Path) -> None:
    """Older files come first, and only the chosen time is read."""
    path = tmp_path / "audience.jsonl"
    (tmp_path / "audience.jsonl.1").write_text(sample(0, 1).line() + sample(10, 2).line())
    torn = [
        '{"at": "2026',
        "[]",
        "null",
        json.dumps({"at": iso(NOON), "viewers": "8", "level": "", "key": "", "title": ""}),
    ]
    path.write_text("\n".join(torn) + "\n" + sample(20, 3).line() + sample(30, 4).line())
    found = list(read_samples(path, since_wall=NOON + 5, until_wall=NOON + 25))
    assert [one.viewers for one in found] == [2, 3]
    assert not list(read_samples(tmp_path / "none.jsonl", since_wall=float("-inf"), until_wall=float("inf")))


async def test_a_line_is_written_at_each_change_and_once_a_minute(tmp_path: Path) -> None:
    """Nothing while the number was never known; once when it is lost."""
    path, clock = tmp_path / "audience.jsonl", SetClock(NOON)
    now: dict[str, object] = {"viewers": None, "key": "a"}

    def on_air() -> AirContent:
        return AirContent(level=SourceLevel.ITEM, key=str(now["key"]), title="A")

    def viewers() -> int | None:
        return now["viewers"]  # type: ignore[return-value]  # what the test puts there

    def lines() -> list[AudienceSample]:
        return list(read_samples(path, since_wall=float("-inf"), until_wall=float("inf")))

    async def until(fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not fact():  # noqa: ASYNC110 - a file, of which nobody is told
                await asyncio.sleep(0.005)

    task = asyncio.create_task(
        AudienceLog(path, viewers=viewers, on_air=on_air, clock=clock, sample_seconds=0.002).run()
    )
    for number, (name, value, step) in enumerate(
        (
            ("viewers", 7, 0),
            ("viewers", 9, 5),
            ("key", "b", 5),
            ("key", "b", 60),
            ("viewers", None, 5),
            ("viewers", 3, 300),
        ),
        start=1,
    ):
        clock.now += step
        now[name] = value
        await until(lambda number=number: len(lines()) == number)  # type: ignore[misc]  # its default is an int
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(one.viewers, one.key) for one in lines()] == [
        (7, "a"),
        (9, "a"),
        (9, "b"),
        (9, "b"),
        (None, "b"),
        (3, "b"),
    ]
