"""The schedule in virtual time: what viewers see, to the frame, over hours and over changes of the clocks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from stands.house import RATE
from stands.scheduled import LIVE, Scheduled, packets
from tg_video_streamer.events import AirContent, SegmentStarted, SlateReason, SourceLevel
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.playout.slate import Slate
from tg_video_streamer.playout.source import AirSource

BERLIN = ZoneInfo("Europe/Berlin")
FRAME = 0.04


def write(folder: Path, schedule: str, *, playlist: str = "film.mp4", **lists: str) -> None:
    """An operator's folder; each word of a list is one line."""
    (folder / "schedule.toml").write_text('time_zone = "Europe/Berlin"\n' + schedule)
    (folder / "playlist.txt").write_text("\n".join(playlist.split()))
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines.split()))


def show(title: str, at: str, *, start: str = "hard") -> str:
    """A show of the file with that title."""
    return f'[[show]]\nat = {at}\nitem = "{title}.mp4"\nstart = "{start}"\n'


@pytest.mark.parametrize(
    ("at", "begins", "film"),
    [
        ("2026-03-29T01:59:59", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), 7200.0),
        ("2026-03-29T02:30:00", datetime(2026, 3, 29, 1, 0, tzinfo=UTC), LIVE),
        ("2026-03-29T03:00:10", datetime(2026, 3, 29, 1, 0, 10, tzinfo=UTC), 7200.0),
        ("2026-10-25T02:30:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), 7200.0),
        ("2026-10-25T03:00:00", datetime(2026, 10, 25, 2, 0, tzinfo=UTC), LIVE),
    ],
)
def test_a_hard_start_is_on_its_second_when_the_clocks_change(
    tmp_path: Path, slate: Slate, at: str, begins: datetime, film: float
) -> None:
    """Around both clock changes a show's first picture is within 40 ms of its time."""
    write(tmp_path, show("news", at))
    lead = 66.66
    program = Scheduled(tmp_path, slate, at=begins - timedelta(seconds=lead), lengths={"film": film, "news": 10.0})
    program.run(lead + 15)
    assert program.names() == ["film", "news", "film"]
    assert abs(program.first("news") - begins.timestamp()) <= FRAME / 2 + 0.001


def test_an_item_that_a_hard_start_cut_resumes_after_it(tmp_path: Path, slate: Slate) -> None:
    """After the show the film resumes with the picture after the cut."""
    write(tmp_path, show("news", "2026-03-29T03:10:00"))
    begins = datetime(2026, 3, 29, 3, 10, tzinfo=BERLIN)
    program = Scheduled(tmp_path, slate, at=begins - timedelta(seconds=100), lengths={"film": 200.0, "news": 30.0})
    program.run(225)
    assert program.names() == ["film", "news", "film"]
    first, news, again = (wall for _, wall in program.played())
    assert again - news == pytest.approx(30, abs=FRAME)
    assert program.began_wall == first
    assert program.pictures("film")[: 2500 + 10] == sorted(program.pictures("film")[:2510])
    numbers = program.pictures("film")
    cut = round((news - first) * 25)
    assert numbers[cut] - numbers[cut - 1] == 1


def test_filler_follows_what_ends_right_before_a_hard_start(tmp_path: Path, slate: Slate) -> None:
    """In the last minute no item starts: filler plays and is cut by the show; without filler the slate."""
    write(tmp_path, show("news", "2026-05-01T20:00:00"), playlist="clip.mp4 clap.mp4")
    begins = datetime(2026, 5, 1, 20, 0, tzinfo=BERLIN)
    lengths = {"clip": 70.0, "clap": 70.0, "news": 30.0, "jingle": 25.0}
    program = Scheduled(tmp_path, slate, at=begins - timedelta(seconds=90.5), lengths=lengths)
    program.run(100)
    assert program.names() == ["clip", "-", "news"]
    assert abs(program.first("news") - begins.timestamp()) <= FRAME
    (tmp_path / "filler").mkdir()
    (tmp_path / "filler" / "jingle.mp4").touch()
    with_filler = tmp_path / "second"
    with_filler.mkdir()
    (tmp_path / "filler").rename(with_filler / "filler")
    write(with_filler, show("news", "2026-05-01T20:00:00"), playlist="clip.mp4 clap.mp4")
    program = Scheduled(
        with_filler,
        slate,
        at=begins - timedelta(seconds=90.5),
        lengths=lengths,
        environment={"FILLER_DIR": str(with_filler / "filler")},
    )
    program.run(100)
    assert program.names() == ["clip", "jingle", "news"]
    assert abs(program.first("news") - begins.timestamp()) <= FRAME


def test_an_item_that_fits_before_a_hard_start_is_played(tmp_path: Path, slate: Slate) -> None:
    """An item that is known to end in time plays, however short the time is."""
    write(tmp_path, "fill_seconds = 300\n" + show("news", "2026-05-01T20:00:00"), playlist="clip.mp4 spot.mp4 film.mp4")
    begins = datetime(2026, 5, 1, 20, 0, tzinfo=BERLIN)
    lengths = {"clip": 70.0, "spot": 40.0, "film": 1000.0, "news": 30.0}
    program = Scheduled(tmp_path, slate, at=begins - timedelta(seconds=200), lengths=lengths)
    program.run(220)
    assert program.names() == ["clip", "spot", "-", "news"]


def test_a_soft_start_waits_for_the_end_and_never_comes_early(tmp_path: Path, slate: Slate) -> None:
    """A soft show follows the item on air at its time; a skip does not start it earlier."""
    write(tmp_path, show("talk", "2026-05-01T20:00:00", start="soft"), playlist="clip.mp4")
    begins = datetime(2026, 5, 1, 20, 0, tzinfo=BERLIN)
    program = Scheduled(tmp_path, slate, at=begins - timedelta(seconds=70), lengths={"clip": 50.0, "talk": 20.0})
    program.run(130)
    walls = [wall - program.began_wall for _, wall in program.played()]
    assert program.names() == ["clip", "talk", "clip"]
    assert walls == pytest.approx([0, 100, 120], abs=1)
    other = tmp_path / "skipped"
    other.mkdir()
    write(other, show("talk", "2026-05-01T20:00:00", start="soft"), playlist="clip.mp4")
    program = Scheduled(other, slate, at=begins - timedelta(seconds=90), lengths={"clip": 95.0, "talk": 20.0})

    async def skip() -> None:
        await asyncio.sleep(75)
        program.parts.playout.skip()

    program.run(110, meanwhile=skip)
    assert abs(program.first("talk") - begins.timestamp()) <= 0.2


def test_station_ids_come_between_items(tmp_path: Path, slate: Slate) -> None:
    """At each interval a station ID plays after the item on air, the next one in turn."""
    write(tmp_path, '[station_id]\nevery_minutes = 5\nitems = ["one.mp4", "two.mp4"]\n', playlist="clip.mp4")
    program = Scheduled(
        tmp_path,
        slate,
        at=datetime(2026, 5, 1, 12, 0, tzinfo=UTC),
        lengths={"clip": 70.0, "one": 5.0, "two": 5.0},
    )
    program.run(1000)
    assert program.names() == ["clip", "one", "clip", "two", "clip"]
    walls = [wall - program.began_wall for name, wall in program.played() if name != "clip"]
    assert walls == pytest.approx([350, 705], abs=1)


def test_dayparts_have_their_own_lists_and_positions(tmp_path: Path, slate: Slate) -> None:
    """A daypart's list follows the item on air at its start; each list resumes at its own position."""
    part = '[[part]]\nfrom = "03:00"\nto = "03:05"\nplaylist = "night.txt"\n'
    other = '[[part]]\nfrom = "03:08"\nto = "03:12"\nplaylist = "night.txt"\n'
    write(tmp_path, part + other, playlist="a.mp4 b.mp4 c.mp4 d.mp4 e.mp4", night="n.mp4 o.mp4 p.mp4 q.mp4")
    begins = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    lengths = dict.fromkeys("abcdenopq", 100.0)
    program = Scheduled(tmp_path, slate, at=begins - timedelta(seconds=150), lengths=lengths)
    program.run(1000)
    assert program.names() == ["a", "b", "n", "o", "p", "c", "d", "q", "n", "e"]


def test_an_edit_counts_at_once_and_a_wrong_one_changes_nothing(tmp_path: Path, slate: Slate) -> None:
    """A show added while on air starts at its second; a mistake is a warning, and the last valid schedule stays in force."""
    write(tmp_path, "")
    begins = datetime(2026, 5, 1, 20, 0, tzinfo=BERLIN)
    program = Scheduled(
        tmp_path, slate, at=begins - timedelta(seconds=120), lengths={"film": 7200.0, "news": 20.0, "talk": 20.0}
    )
    problems: list[tuple[str, ...]] = []

    async def edit() -> None:
        await asyncio.sleep(20)
        write(tmp_path, show("news", "2026-05-01T20:00:00"))
        await asyncio.sleep(30)
        write(tmp_path, show("news", "2026-05-01T20:00:00") + show("talk", "2026-05-01"))
        await asyncio.sleep(10)
        problems.append(program.parts.scheduler.problems)

    program.run(150, meanwhile=edit)
    assert program.names() == ["film", "news", "film"]
    assert abs(program.first("news") - begins.timestamp()) <= FRAME
    assert len(problems[0]) == 1
    assert "show 2: at: must be a time" in problems[0][0]


def test_a_show_that_was_taken_out_again_does_not_begin(tmp_path: Path, slate: Slate) -> None:
    """Seconds before its time a show can still be removed from the file or the queue."""
    write(tmp_path, show("news", "2026-05-01T20:00:00") + show("talk", "2026-05-01T20:01:00"))
    begins = datetime(2026, 5, 1, 20, 0, tzinfo=BERLIN)
    program = Scheduled(
        tmp_path, slate, at=begins - timedelta(seconds=60), lengths={"film": 7200.0, "news": 20.0, "talk": 20.0}
    )

    async def take_out() -> None:
        await asyncio.sleep(50)
        write(tmp_path, show("talk", "2026-05-01T20:01:00"))
        await asyncio.sleep(60)
        program.parts.rotation.queue_clear()

    program.run(150, meanwhile=take_out)
    assert program.names() == ["film"]


def test_a_restart_in_a_show_resumes_it_and_starts_it_no_second_time(tmp_path: Path, slate: Slate) -> None:
    """The show resumes, then the film that it cut; a show missed during the break starts late."""
    write(tmp_path, show("news", "2026-05-01T20:00:00") + show("talk", "2026-05-01T20:03:00"))
    begins = datetime(2026, 5, 1, 20, 0, tzinfo=BERLIN)
    lengths = {"film": 7200.0, "news": 100.0, "talk": 30.0}
    program = Scheduled(tmp_path, slate, at=begins - timedelta(seconds=100), lengths=lengths)
    program.run(150)
    assert program.names() == ["film", "news"]
    again = Scheduled(tmp_path, slate, at=begins + timedelta(seconds=60), lengths=lengths)
    again.run(90)
    assert again.names() == ["news", "film"]
    assert again.pictures("news")[0] == pytest.approx(50 * 25, abs=50)
    assert again.pictures("film")[0] == pytest.approx(100 * 25, abs=50)
    late = Scheduled(tmp_path, slate, at=begins + timedelta(seconds=200), lengths=lengths)
    late.run(60)
    assert late.names() == ["film", "talk", "film"] or late.names() == ["talk", "film"]


def test_a_show_whose_source_fails_costs_no_picture(tmp_path: Path, slate: Slate) -> None:
    """A show that cannot be played cuts nothing; after ten minutes it is left out."""
    write(tmp_path, show("news", "2026-05-01T20:00:00"))
    begins = datetime(2026, 5, 1, 20, 0, tzinfo=BERLIN)
    program = Scheduled(tmp_path, slate, at=begins - timedelta(seconds=60), lengths={"film": 7200.0, "news": 0.0})
    program.run(700)
    assert program.names() == ["film"]
    assert not program.parts.rotation.queue_list()


def test_a_pause_holds_a_hard_start_too(tmp_path: Path, slate: Slate) -> None:
    """A pause stays; the show starts at its end."""
    write(tmp_path, show("news", "2026-05-01T20:00:00"))
    begins = datetime(2026, 5, 1, 20, 0, tzinfo=BERLIN)
    program = Scheduled(tmp_path, slate, at=begins - timedelta(seconds=60), lengths={"film": 7200.0, "news": 20.0})

    async def pause() -> None:
        await asyncio.sleep(30)
        program.parts.playout.hold(SlateReason.PAUSED)
        await asyncio.sleep(60)
        program.parts.playout.release()

    program.run(150, meanwhile=pause)
    assert program.names() == ["film", "-", "news", "film"]


def test_what_is_live_is_not_cut(tmp_path: Path, slate: Slate) -> None:
    """A show whose time comes during a live takeover starts right after it, and the film after the show."""
    write(tmp_path, show("news", "2026-05-01T20:00:00"))
    begins = datetime(2026, 5, 1, 20, 0, tzinfo=BERLIN)
    program = Scheduled(tmp_path, slate, at=begins - timedelta(seconds=60), lengths={"film": 7200.0, "news": 20.0})
    late: list[list[str]] = []

    async def go_live() -> None:
        await asyncio.sleep(50)
        buffer = Buffer(RATE, limit_seconds=3600)
        for packet in packets("live", 0, 750):
            buffer.put(packet)
        buffer.finish()
        program.parts.playout.offer(
            AirSource(packets=buffer, content=AirContent(level=SourceLevel.LIVE, key="live", title="live"))
        )
        await asyncio.sleep(20)
        late.append([str(one) for one in program.parts.scheduler.warnings()])

    program.run(130, meanwhile=go_live)
    assert program.names() == ["film", "live", "news", "film"]
    assert late == [["schedule: news.mp4 is late: it starts as soon as it can"]]


@pytest.mark.parametrize(
    ("seconds", "reasons"),
    [(100.0, [SlateReason.LOADING]), (0.0, [SlateReason.LOADING, SlateReason.SOURCE_FAILED])],
    ids=["slow", "fails"],
)
def test_the_slate_after_a_skip_says_that_the_next_item_is_loading(
    tmp_path: Path, slate: Slate, seconds: float, reasons: list[SlateReason]
) -> None:
    """A skip to an item that is not ready shows `loading` until an item plays; if it fails, the slate says that instead."""
    (tmp_path / "playlist.txt").write_text("film.mp4\nnext.mp4\n")
    lengths, delays = {"film": 100.0, "next": seconds}, {"next": 8.0}
    program = Scheduled(tmp_path, slate, at=datetime(2026, 5, 1, tzinfo=UTC), lengths=lengths, delays=delays)

    async def skip() -> None:
        await asyncio.sleep(2.0)
        delays["film"] = 30.0
        program.parts.playout.skip()

    program.run(25, meanwhile=skip)
    started = [one.content for one in program.events if isinstance(one, SegmentStarted)]
    assert [one.slate_reason for one in started if one.level is SourceLevel.SLATE] == reasons


def test_without_a_file_nothing_is_scheduled(tmp_path: Path, slate: Slate) -> None:
    """Without a schedule the playlist plays."""
    (tmp_path / "playlist.txt").write_text("a.mp4\nb.mp4\n")
    program = Scheduled(tmp_path, slate, at=datetime(2026, 5, 1, tzinfo=UTC), lengths={"a": 50.0, "b": 50.0})
    program.run(120)
    assert program.names() == ["a", "b", "a"]
    assert not (tmp_path / "state" / "schedule.json").exists()
