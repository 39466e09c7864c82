"""A feed on air whose encoder becomes too slow steps down, and up again when there is time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from stands.feeding import Played, feed_of, item_of
from stands.house import FRAME_TICKS, FRAMES_PER_SECOND, house_of
from stands.numbered import Plan, make_clip
from stands.program import encode_clip
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.feed import step_watch
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.ladder import EncodeLadder, Sample, Samples
from tg_video_streamer.feed.step_watch import wants_a_processor
from tg_video_streamer.ffmpeg.steps import EncodeStep
from tg_video_streamer.media import Kind, Packet

SPEED = 2
"""The seconds of this test's clock for each real one."""
HOUSE = house_of("320x180")
FRAMES = 120 * FRAMES_PER_SECOND


class FastClock(SystemClock):
    """Runs faster."""

    def monotonic(self) -> float:
        """Faster than real time."""
        return super().monotonic() * SPEED


class SlowProcessor:
    """Lets the encoder of `feed` make a part of what viewers need, by stopping it, until `ended` is set."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.clock = FastClock()
        self.ended = False

    async def run(self, part: float) -> None:
        """Until it has ended."""
        began, before = self.clock.monotonic(), self.feed.buffer.frames_put
        while not self.ended:
            made = self.feed.buffer.frames_put - before
            allowed = (self.clock.monotonic() - began) * FRAMES_PER_SECOND * part
            _signal(signal.SIGCONT if made < allowed else signal.SIGSTOP)
            await asyncio.sleep(0.005)
        _signal(signal.SIGCONT)


def _signal(number: signal.Signals) -> None:
    for child in psutil.Process(os.getpid()).children():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if "ffmpeg" in child.name():
                os.kill(child.pid, number)


async def until(fact: Callable[[], bool]) -> None:
    """Wait for `fact`."""
    async with asyncio.timeout(60):
        while not fact():  # noqa: ASYNC110 - the fact is not this program's
            await asyncio.sleep(0.02)


def _wants_or_is_stopped(pid: int) -> bool:
    """As on a slow host, for which SlowProcessor stands: what it stops would run if it could."""
    with suppress(psutil.NoSuchProcess):
        return wants_a_processor(pid) or psutil.Process(pid).status() == psutil.STATUS_STOPPED
    return True


async def test_a_slow_encoder_steps_down_and_up_and_keeps_every_picture(
    tmp_path: Path, ffmpeg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the processor is too slow viewers get a plainer picture and no gap, and the full one when it has time again."""
    monkeypatch.setattr(step_watch, "wants_a_processor", _wants_or_is_stopped)
    clip = make_clip(tmp_path / "one.mp4", Plan(item_id=1, frames=FRAMES, flashes=(500,)))
    headers = encode_clip(tmp_path / "headers", HOUSE, seconds=1).headers
    steps: list[EncodeStep] = []
    ladder = EncodeLadder(
        (EncodeStep.FULL, EncodeStep.FASTEST),
        changed=lambda _old, new, _why: steps.append(new),
        first_hold_seconds=8.0,
    )
    feed = feed_of(item_of(clip), ffmpeg, headers=headers, house=HOUSE, clock=FastClock(), ladder=ladder)
    feed.on_air()
    slow = SlowProcessor(feed)
    packets: list[Packet] = []
    dry = 0
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(feed.run())]
        await until(lambda: feed.buffer.seconds >= feed.buffer.limit_seconds)
        tasks.append(group.create_task(slow.run(0.3)))
        began, last = slow.clock.monotonic(), FRAMES
        while not feed.buffer.drained and feed.buffer.taken_ticks < last * FRAME_TICKS:
            await asyncio.sleep(0.01)
            due = (slow.clock.monotonic() - began) * FRAMES_PER_SECOND
            while feed.buffer.taken_ticks / FRAME_TICKS < min(due, last) and feed.buffer.head() is not None:
                packets.append(feed.buffer.pop())
            dry += feed.buffer.head() is None and not feed.buffer.finished
            slow.ended = slow.ended or bool(steps)
            if EncodeStep.FULL in steps and last == FRAMES:
                # What is held was encoded at the lower step; then comes the first GOP of the full one.
                last = min(FRAMES, feed.buffer.frames_put + 100)
        for task in tasks:
            task.cancel()
    assert steps[:2] == [EncodeStep.FASTEST, EncodeStep.FULL], "down, and up again"
    assert feed.encode_step == "fastest"
    assert not dry, "viewers saw the slate"
    played = Played(feed=feed, packets=tuple(packets), events=())
    assert [one.ticks for one in played.pictures] == [n * FRAME_TICKS for n in range(len(played.pictures))]
    numbers = played.decoded(tmp_path, headers).numbers(1)
    assert numbers == list(range(len(played.pictures)))
    assert {one.kind for one in packets} == {Kind.VIDEO, Kind.AUDIO}


async def test_a_child_that_waits_does_not_want_the_processor() -> None:
    """A child that computes is told from one that waits for its input, and from one that is frozen."""
    waits = await asyncio.create_subprocess_exec("sleep", "60")
    works = await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done")
    try:
        await until(lambda: not wants_a_processor(waits.pid) and wants_a_processor(works.pid))
        works.send_signal(signal.SIGSTOP)
        await until(lambda: psutil.Process(works.pid).status() == psutil.STATUS_STOPPED)
        assert not wants_a_processor(works.pid)
    finally:
        for one in (waits, works):
            one.kill()
            await one.wait()
    assert wants_a_processor(waits.pid), "where nothing is known, the speed alone decides"


@pytest.mark.parametrize("step", [EncodeStep.HALF, EncodeStep.COARSE])
async def test_fewer_pictures_stand_at_their_time(step: EncodeStep, tmp_path: Path, ffmpeg: Path) -> None:
    """With half or a third of the pictures each is shown at its own time, longer, from any start."""
    clip = make_clip(tmp_path / "one.mp4", Plan(item_id=1, frames=150))
    headers = encode_clip(tmp_path / "headers", HOUSE, seconds=1).headers
    ladder = EncodeLadder(steps=(EncodeStep.FULL, step))
    now, samples = SystemClock().monotonic(), Samples()
    for second in range(5):
        put, held = second / 10, 10.0 - 2 * second
        sample = Sample(at=now + second, put_seconds=put, held_seconds=held, limit_seconds=15, wants_processor=True)
        ladder.take(EncodeStep.FULL, samples, sample, live=True)
    assert ladder.step is step
    feed = feed_of(item_of(clip), ffmpeg, headers=headers, house=HOUSE, ladder=ladder, start_seconds=1.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(feed.run())
        packets = []
        while not feed.buffer.drained:
            while feed.buffer.head() is not None:
                packets.append(feed.buffer.pop())
            await asyncio.sleep(0.01)
    numbers = Played(feed=feed, packets=tuple(packets), events=()).decoded(tmp_path, headers).numbers(1)
    assert len(numbers) >= 120
    assert max(abs(number - n - 25) for n, number in enumerate(numbers)) <= 3
    assert len(set(numbers)) <= len(numbers) / 2 + 5
