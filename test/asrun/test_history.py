"""History by level: joined, limited to a day, restored after restarts, and read back from the as-run log."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.small_channel import SmallChannel
from stands.virtual_time import SetClock
from tg_video_streamer.asrun.entry import AsRunEntry
from tg_video_streamer.asrun.history import BAND_SECONDS, LevelSpan
from tg_video_streamer.asrun.log import AsRunLog
from tg_video_streamer.asrun.reader import AsRunFilter, as_csv, read_entries, recent_spans
from tg_video_streamer.control.history_sampler import SAMPLES, HistorySampler
from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.events import AirContent, CutReason, SegmentEnded, SegmentStarted, SlateReason, SourceLevel

NOON = 1_750_000_000.0 // 86400 * 86400 + 43200


def _ended(
    started: float, wall: float, *, level: SourceLevel = SourceLevel.ITEM, title: str = "", gap: float = 0.0
) -> SegmentEnded:
    return SegmentEnded(
        started=started,
        wall=wall,
        reason=CutReason.ENDED,
        content=AirContent(level=level, key="k", title=title),
        seconds=wall - started,
        gap_seconds=gap,
        skew_seconds=0.0,
    )


def _sampler(clock: SetClock) -> HistorySampler:
    return HistorySampler(clock=clock, status=SmallChannel().status)


def test_segments_of_one_level_are_one_span() -> None:
    """Consecutive items are one span, the item on air ends now, and a gap between two stays a gap."""
    clock = SetClock(NOON)
    sampler = _sampler(clock)
    for event in (
        _ended(NOON - 900, NOON - 700),
        _ended(NOON - 600, NOON - 500),
        _ended(NOON - 500, NOON - 400),
        _ended(NOON - 400, NOON - 300, level=SourceLevel.SLATE),
        SegmentStarted(wall=NOON - 300, reason=CutReason.ITEM_READY, content=AirContent(level=SourceLevel.ITEM)),
    ):
        sampler.on_event(event)
    found = [(span.starts_wall - NOON, span.ends_wall - NOON, span.level) for span in sampler.history().spans]
    assert found == [(-900, -700, "item"), (-600, -400, "item"), (-400, -300, "slate"), (-300, 0, "item")]


@given(st.lists(st.tuples(st.floats(1, 7200), st.sampled_from(SourceLevel)), max_size=60))
def test_a_day_is_covered_once(segments: list[tuple[float, SourceLevel]]) -> None:
    """Segments without a break give spans without gap or overlap, and none is older than a day."""
    clock = SetClock(NOON)
    sampler = _sampler(clock)
    at = begin = NOON - sum(seconds for seconds, _ in segments)
    for seconds, level in segments:
        sampler.on_event(_ended(at, at + seconds, level=level))
        at += seconds
    spans = sampler.history().spans
    assert all(after.starts_wall == before.ends_wall for before, after in pairwise(spans))
    covered = sum(span.ends_wall - span.starts_wall for span in spans)
    assert abs(covered - min(at - begin, at - (NOON - BAND_SECONDS))) < 0.01


def test_the_gap_of_today_is_not_that_of_yesterday() -> None:
    """Today's gap counts from midnight."""
    clock = SetClock(NOON)
    sampler = _sampler(clock)
    sampler.on_event(_ended(NOON - 50_000, NOON - 49_000, gap=7.0))
    sampler.on_event(_ended(NOON - 200, NOON - 100, gap=2.5))
    assert sampler.history().gap_seconds_today == 2.5


async def test_history_from_before_a_restart_is_restored(tmp_path: Path) -> None:
    """A new run reads the as-run log of earlier runs, and puts its own spans after them."""
    path = tmp_path / "as-run.jsonl"
    path.write_text("".join(AsRunEntry.of(_ended(NOON - at, NOON - at + 100)).line() for at in (100_000, 500, 400)))
    clock = SetClock(NOON)
    sampler = HistorySampler(clock=clock, status=SmallChannel().status, earlier=lambda: recent_spans(path, NOON))
    sampler.on_event(_ended(NOON - 300, NOON, level=SourceLevel.FILLER))
    await sampler.read_earlier()
    assert sampler.history().spans == (
        LevelSpan(starts_wall=NOON - 500, ends_wall=NOON - 300, level="item"),
        LevelSpan(starts_wall=NOON - 300, ends_wall=NOON, level="filler"),
    )


def test_samples_are_bounded() -> None:
    """Only the samples of the last minutes are stored."""
    sampler = _sampler(SetClock(NOON))
    for _ in range(SAMPLES + 7):
        sampler.sample()
    assert len(sampler.history().samples) == SAMPLES
    assert sampler.history().samples[0].bits_per_second == {"preview": 2_500_000, "rtmp-1": 0}


def test_the_log_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """Entries come newest first, from all files, filtered by time, words and level; a torn line is left out."""
    log = AsRunLog(tmp_path / "as-run.jsonl", file_bytes=700)
    log.start()
    for at, title in enumerate(("First film", "second FILM", "Слайд", "last one")):
        log.on_event(
            _ended(
                NOON + at * 10,
                NOON + at * 10 + 10,
                title=title,
                level=SourceLevel.SLATE if at == 2 else SourceLevel.ITEM,
            )
        )
    log.stop()
    path = tmp_path / "as-run.jsonl"
    assert path.with_name("as-run.jsonl.1").exists()
    with path.open("a") as file:
        file.write('{"start": "20')
    assert [row.title for row in read_entries(path, AsRunFilter())] == [
        "last one",
        "Слайд",
        "second FILM",
        "First film",
    ]
    assert [row.title for row in read_entries(path, AsRunFilter(words="film SECOND"))] == ["second FILM"]
    assert [row.title for row in read_entries(path, AsRunFilter(level="slate"))] == ["Слайд"]
    found = read_entries(path, AsRunFilter(since_wall=NOON + 11, until_wall=NOON + 19))
    assert [row.title for row in found] == ["second FILM"]


@given(st.text())
def test_any_title_survives_the_table(title: str) -> None:
    """A title is in the CSV as the log shows it, but never read as a formula by a spreadsheet."""
    rows = list(_rows(title))
    (read,) = csv.DictReader(io.StringIO(as_csv(rows), newline=""))
    assert read["title"].replace("'", "") == DisplayText(title).replace("'", "")
    assert not read["title"].lstrip(' "').startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "title", ["=1", "a;=1", "a\t@x", 'a;"=1"', "a; +1", "a|-2", "a\n=1", "a\r=1", '"=1', "a;;=1", "a;';=1"]
)
def test_no_cell_begins_with_a_formula(title: str, delimiter: str) -> None:
    """With whatever separator a spreadsheet opens the table, no cell is a formula."""
    table = csv.reader(io.StringIO(as_csv(_rows(title)), newline=""), delimiter=delimiter)
    cells = [cell for row in table for cell in row]
    assert not [cell for cell in cells if cell.lstrip(' "').startswith(("=", "+", "-", "@"))]


def test_a_title_without_a_formula_is_unchanged() -> None:
    """Signs inside a text, and separators without a sign behind them, are left alone."""
    (read,) = csv.DictReader(io.StringIO(as_csv(_rows("a-b; c = d, +1 | e")), newline=""))
    assert read["title"] == "a-b; c = d, +1 | e"


def _rows(title: str) -> list[AsRunEntry]:
    return [AsRunEntry(start="", end="", seconds=1.0, level=SourceLevel.ITEM, reason="ended", key="k", title=title)]


def test_lines_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """Lines with `rung`, the level `kept` or a slate's reason as title are converted."""
    path = tmp_path / "as-run.jsonl"
    common = {"start": "2026-05-01T20:00:00Z", "end": "2026-05-01T20:10:00Z", "seconds": 600.0, "key": "k"}
    lines = (
        {"rung": "item", "reason": "ended", "title": "Film"},
        {"rung": "kept", "reason": "ended", "title": "Film"},
        {"rung": "slate", "reason": "playlist_empty", "title": "playlist_empty"},
        {"level": "slate", "reason": "held", "title": "paused"},
    )
    path.write_text("".join(json.dumps(common | line) + "\n" for line in lines))
    found = [(one.level, one.title, one.cached, one.slate_reason) for one in read_entries(path, AsRunFilter())]
    assert found == [
        (SourceLevel.SLATE, "", False, SlateReason.PAUSED),
        (SourceLevel.SLATE, "", False, SlateReason.PLAYLIST_EMPTY),
        (SourceLevel.ITEM, "Film", True, None),
        (SourceLevel.ITEM, "Film", False, None),
    ]
