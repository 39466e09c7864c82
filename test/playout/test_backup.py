"""Backups, the end by the clock, and titles that change, in virtual time: each in its own slot, without a hole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from playout.test_playout import Stage, fill, primed
from stands.house import FRAME_TICKS
from tg_video_streamer.events import CutReason, SegmentEnded, SourceLevel
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.playout.slate import Slate
from tg_video_streamer.playout.source import AirSource, SourceEnded


@pytest.fixture
def stage(slate: Slate) -> Iterator[Stage]:
    """A new stage."""
    made = Stage(slate)
    yield made
    made.loop.close()


def backup(name: str, frames: int) -> AirSource:
    """A primed backup of `frames` pictures."""
    return primed(name, frames, level=SourceLevel.BACKUP)


def test_a_backup_covers_a_live_item_from_its_first_missing_frame(stage: Stage) -> None:
    """It plays in place of filler and next item, until the feed holds as much as it must have."""
    source = replace(primed("a", 50, finished=False, grace=1e9), rejoin_seconds=lambda: 4.0)
    stage.playout.offer(source)
    stage.playout.offer_backup(backup("s", 1000))
    stage.playout.offer_filler(primed("f", 500, level=SourceLevel.FILLER))
    stage.run(1)
    stage.playout.offer(primed("b", 50))
    stage.run(4)
    assert stage.video()[49:51] == ["a49", "s0"]
    assert isinstance(source.packets, Buffer)
    fill(source.packets, "a", range(50, 125))
    stage.run(2)
    assert stage.video()[-1].startswith("s")
    fill(source.packets, "a", range(125, 300))
    stage.run(2)
    assert stage.video()[-1].startswith("a")
    assert stage.levels() == [("item", "started"), ("backup", "source_stalled"), ("item", "resumed")]
    stage.check_grids()


def test_a_backup_takes_the_place_of_an_item_that_failed(stage: Stage) -> None:
    """It follows in the same slot, plays to its own end, and then comes the next item."""
    stage.playout.offer(replace(primed("a", 50), outcome=lambda: CutReason.SOURCE_FAILED))
    stage.playout.offer_backup(backup("s", 75))
    stage.run(1)
    stage.playout.offer(primed("b", 100))
    stage.run(6)
    video = stage.video()
    assert video[:175] == [f"a{n}" for n in range(50)] + [f"s{n}" for n in range(75)] + [f"b{n}" for n in range(50)]
    stage.check_grids()


def test_a_backup_does_not_follow_an_item_that_ended(stage: Stage) -> None:
    """At the end of an item comes the next one, whatever backup is primed."""
    stage.playout.offer(primed("a", 50))
    stage.playout.offer_backup(backup("s", 75))
    stage.run(1)
    stage.playout.offer(primed("b", 100))
    stage.run(2)
    assert stage.video()[50] == "b0"


@pytest.mark.parametrize("away", [False, True])
def test_an_item_ends_by_the_clock(stage: Stage, *, away: bool) -> None:
    """It leaves for the next item at the next frame, also while its backup plays."""
    source = primed("a", 50 if away else 1000, finished=False, grace=1e9)
    stage.playout.offer(source)
    stage.playout.offer_backup(backup("s", 1000))
    stage.run(1)
    stage.playout.offer(primed("b", 100))
    stage.run(3)
    assert stage.video()[-1].startswith("s" if away else "a")
    stage.playout.end_item(source, CutReason.TIME_OVER)
    stage.run(0.2)
    assert stage.video()[-1].startswith("b")
    assert (SourceEnded, "a", "time_over") in stage.reported
    stage.check_grids()


def test_skip_leaves_a_backup_that_plays_in_place_of_an_item(stage: Stage) -> None:
    """The operator is not bound to see a backup to its end."""
    stage.playout.offer(replace(primed("a", 25), outcome=lambda: CutReason.SOURCE_FAILED))
    stage.playout.offer_backup(backup("s", 1000))
    stage.run(2)
    stage.playout.offer(primed("b", 100))
    assert stage.playout.skip() is not None
    stage.run(0.2)
    assert stage.video()[-1].startswith("b")


def test_each_title_of_a_source_has_its_record(stage: Stage) -> None:
    """The record of the first piece ends where the second begins; lengths add up, and no frame is touched."""
    titles = ["One"]
    source = replace(primed("a", 200), title=lambda: titles[-1])
    stage.playout.offer(source)
    stage.run(2)
    stage.playout.retitle(source)
    titles.append("Two")
    stage.playout.retitle(source)
    stage.run(7)
    ended = [event for event in stage.events if isinstance(event, SegmentEnded)]
    assert [(event.content.title, event.reason) for event in ended] == [("One", "retitled"), ("Two", "ended")]
    assert sum(event.seconds for event in ended) == pytest.approx(200 * FRAME_TICKS / 3000)
    assert [event.content.new_play for event in ended] == [True, False]
    assert stage.video()[:200] == [f"a{n}" for n in range(200)]
    stage.check_grids()
