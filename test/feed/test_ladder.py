"""The steps of encoding on a busy host, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tg_video_streamer.feed.ladder import (
    LONGEST_HOLD_SECONDS,
    REST_SECONDS,
    STEP_TRANSITIONS,
    EncodeLadder,
    Sample,
    Samples,
)
from tg_video_streamer.ffmpeg.steps import EncodeStep, relative_cost

TICK = 0.25
LIMIT = 15.0
START_SECONDS = 1.5
"""How long a new child computes before it gives something."""


@dataclass
class Channel:
    """One item on air whose child encodes at `speed` times real time at the full step."""

    speed: float
    source_speed: float = 100.0
    live: bool = False
    start_seconds: float = START_SECONDS
    held: float = LIMIT
    now: float = 0.0
    put: float = 0.0
    dry: float = 0.0
    least: float = LIMIT
    changes: list[tuple[float, EncodeStep]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ladder = EncodeLadder(changed=lambda _old, new, _why: self.changes.append((self.now, new)))
        self._begin()

    def _begin(self) -> None:
        self.step = self.ladder.starting(self.now)
        self.samples = Samples()
        self.gives_from = self.now + self.start_seconds

    def run(self, seconds: float) -> None:
        """The item plays on."""
        end = self.now + seconds
        while self.now < end:
            self.now += TICK
            own = self.speed / relative_cost(EncodeStep.FULL, self.step) if self.now > self.gives_from else 0.0
            given = min(own, self.source_speed) * TICK
            room = LIMIT - self.held + TICK
            put = min(given, room)
            # A child that is held back by its source or by the buffer wants the processor for a part of the time.
            self._share = getattr(self, "_share", 0.0) + (put / (own * TICK) if own else 0.0)
            wants = self._share >= 1
            self._share -= wants
            wants = wants or self.now <= self.gives_from
            self.put += put
            self.dry += max(0.0, TICK - self.held - put)
            self.held = max(0.0, self.held + put - TICK)
            self.least = min(self.least, self.held)
            sample = Sample(
                at=self.now, put_seconds=self.put, held_seconds=self.held, limit_seconds=LIMIT, wants_processor=wants
            )
            if self.ladder.take(self.step, self.samples, sample, live=self.live):
                self._begin()


@pytest.mark.parametrize("speed", [0.95, 0.8, 0.6, 0.45])
def test_the_buffer_never_empties(speed: float) -> None:
    """However slow the processor becomes, a cheaper step is taken before the buffer is empty, and no lower than needed."""
    channel = Channel(speed=3.0)
    channel.run(60)
    assert channel.changes == []
    channel.speed = speed
    channel.run(3600)
    assert channel.dry == 0
    assert channel.least > 2.0
    needed = [step for step in EncodeStep if speed / relative_cost(EncodeStep.FULL, step) >= 1.15]
    lowest = max((step for _, step in channel.changes), key=list(EncodeStep).index)
    assert lowest is (needed[0] if needed else EncodeStep.COARSE)


def test_it_comes_back_one_step_at_a_time() -> None:
    """When the processor has time again the full quality is back within three minutes."""
    channel = Channel(speed=0.5)
    channel.run(120)
    assert channel.ladder.step is EncodeStep.COARSE
    before = len(channel.changes)
    channel.speed = 4.0
    channel.run(180)
    assert channel.changes[-1][1] is EncodeStep.FULL
    assert [step for _, step in channel.changes[before:]] == list(reversed(EncodeStep))[1:]


def test_it_does_not_swing() -> None:
    """On a host that is a little too slow for good, the steps change a few times an hour, not all the time."""
    for speed in (0.9, 0.98, 1.02, 1.1, 1.2):
        channel = Channel(speed=speed)
        channel.run(2 * 3600)
        assert channel.dry == 0
        assert len(channel.changes) <= 2 * 2 * 3600 / LONGEST_HOLD_SECONDS, speed


def test_a_slow_source_steps_nothing_down() -> None:
    """A source that gives too little is no reason for a worse picture."""
    channel = Channel(speed=3.0, source_speed=0.8)
    channel.run(600)
    assert channel.changes == []
    assert channel.dry > 0


@pytest.mark.parametrize("held", [LIMIT, 5.0])
def test_a_child_that_starts_slowly_steps_nothing_down(held: float) -> None:
    """How long a child computes before its first picture says nothing of its speed: none is made worse for it."""
    channel = Channel(speed=3.0, held=held, start_seconds=3.75)
    channel.run(60)
    assert channel.changes == []
    assert channel.dry == 0
    never = Channel(speed=3.0, start_seconds=30.0)
    never.run(8)
    assert [step for _, step in never.changes] == [EncodeStep.COARSE], "one that never starts is not waited for"


def test_a_live_feed_steps_down_only() -> None:
    """A live feed loses what was sent while its child is replaced: it is not replaced for a better picture."""
    channel = Channel(speed=0.95, live=True)
    channel.run(400)
    assert channel.ladder.step is EncodeStep.FASTER
    channel.speed = 4.0
    channel.run(600)
    assert channel.ladder.step is EncodeStep.FASTER


def test_the_successor_starts_at_the_same_step_and_after_a_rest_at_the_full_one() -> None:
    """The next item begins where the last one was, unless nothing was encoded on air for long."""
    channel = Channel(speed=0.95)
    channel.run(400)
    ladder = channel.ladder
    assert ladder.starting(channel.now) is EncodeStep.FASTER
    assert ladder.starting(channel.now + REST_SECONDS + 1) is EncodeStep.FULL


def test_an_encode_of_before_is_replaced_when_it_comes_on_air() -> None:
    """What was encoded ahead at another step changes to that of the channel as soon as it is on air."""
    channel = Channel(speed=0.95)
    channel.run(400)
    sample = Sample(at=channel.now, put_seconds=4, held_seconds=4, limit_seconds=LIMIT, wants_processor=True)
    assert channel.ladder.take(EncodeStep.FULL, Samples(), sample, live=False)
    assert not channel.ladder.take(EncodeStep.COARSE, Samples(), sample, live=True)


def test_without_presets_only_the_pictures_become_fewer() -> None:
    """Where faster presets write other codec headers, the step with half of the pictures takes their place."""
    ladder = EncodeLadder()
    channel = Channel(speed=0.95)
    channel.ladder = ladder
    channel.run(400)
    assert channel.step is EncodeStep.FASTER
    ladder.forgo_presets((EncodeStep.FULL, EncodeStep.HALF, EncodeStep.COARSE))
    assert ladder.step is EncodeStep.HALF


def test_the_table_allows_what_the_ladder_does() -> None:
    """Each step leads to every lower one, to the one above, and to the full one."""
    order = list(EncodeStep)
    for place, step in enumerate(order):
        allowed = set(order[place + 1 :]) | {order[max(0, place - 1)], EncodeStep.FULL}
        assert STEP_TRANSITIONS[step] == allowed - {step}
