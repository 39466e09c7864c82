"""An item that continues elsewhere in itself, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playout.test_playout import Stage, fill, primed
from stands.house import RATE
from tg_video_streamer.events import AirContent, SegmentStarted, SlateReason, SourceLevel
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.playout.slate import Slate
from tg_video_streamer.playout.source import AirSource, SourceEnded


@pytest.fixture
def stage(slate: Slate) -> Iterator[Stage]:
    """A new stage."""
    made = Stage(slate)
    yield made
    made.loop.close()


def elsewhere(name: str, frames: range) -> AirSource:
    """The item `name` from a later frame on, primed."""
    buffer = Buffer(RATE, limit_seconds=3600)
    fill(buffer, name, frames)
    buffer.finish()
    return AirSource(packets=buffer, content=AirContent(level=SourceLevel.ITEM, key=name, title=name))


def test_it_continues_there_in_the_next_slot(stage: Stage) -> None:
    """One cut, from frame to frame; what was on offer follows the item as before; it is the same play."""
    item = primed("a", 1000)
    stage.playout.offer(item)
    stage.run(1)
    stage.playout.offer(primed("b", 100))
    stage.playout.replace_item(item, elsewhere("a", range(500, 550)))
    stage.run(0.08)
    assert stage.playout.item_seconds == pytest.approx(20.1, abs=0.1)
    stage.run(3)
    video = stage.video()
    cut = video.index("a500")
    assert video[: cut + 51] == [f"a{n}" for n in range(cut)] + [f"a{n}" for n in range(500, 550)] + ["b0"]
    assert stage.levels() == [("item", "started"), ("item", "sought"), ("item", "ended")]
    assert [one.content.new_play for one in stage.events if isinstance(one, SegmentStarted)] == [True, False, True]
    assert (SourceEnded, "a", "sought") in stage.reported
    stage.check_grids()


@pytest.mark.parametrize("live", [False, True])
def test_it_moves_while_it_waits(stage: Stage, *, live: bool) -> None:
    """Behind the operator's slate or a live stream only its position changes; it continues there."""
    item = primed("a", 1000)
    stage.playout.offer(item)
    stage.run(1)
    if live:
        stage.playout.offer(primed("l", 75, level=SourceLevel.LIVE))
    else:
        stage.playout.hold(SlateReason.PAUSED)
    stage.run(1)
    stage.playout.replace_item(item, elsewhere("a", range(500, 700)))
    stage.run(1)
    assert stage.playout.item_seconds == pytest.approx(20.0)
    assert "a500" not in stage.video()
    stage.playout.release()
    stage.run(2)
    video = stage.video()
    first = video.index("a500")
    assert video[first - 1] == ("l74" if live else "-")
    assert video[first:] == [f"a{n}" for n in range(500, 500 + len(video) - first)]
    assert (SourceEnded, "a", "sought") in stage.reported
    stage.check_grids()


def test_an_item_that_ended_first_is_not_replaced(stage: Stage) -> None:
    """The next item plays, and the offer cannot be on air."""
    item, other = primed("a", 25), elsewhere("a", range(500, 700))
    stage.playout.offer(item)
    stage.run(0.5)
    stage.playout.offer(primed("b", 500))
    stage.run(1.5)
    stage.playout.replace_item(item, other)
    stage.run(1)
    assert stage.video()[25] == "b0"
    assert "a500" not in stage.video()
    assert not stage.playout.withdraw(other)
