"""When the encodes of a channel step down and up again, so that the buffer of the item on air never empties; pure.

Down: the buffer shrinks at a rate that would empty it soon, while the child wants the processor nearly all the time; a child that
waits for its source wants it less, and one that starts or is stuck shows nothing of its speed. Up: the buffer is full, and the child would want the processor little enough at the better
step. A step up that did not hold doubles the time until the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tg_video_streamer.ffmpeg.steps import EncodeStep, relative_cost
from tg_video_streamer.state_machine import StateMachine, Transitions

_ORDER = tuple(EncodeStep)
STEP_TRANSITIONS: Transitions[EncodeStep] = {
    # Down as far as it must be, up one at a time; and to the full step after a rest, or where no preset is left to change.
    step: frozenset({*_ORDER[place + 1 :], *_ORDER[max(0, place - 1) : place], EncodeStep.FULL} - {step})
    for place, step in enumerate(_ORDER)
}

WINDOW_SECONDS = 3.0
"""The speed of a child is measured over so long at least."""
_LONGEST_WINDOW_SECONDS = 6.0
_START_SECONDS = 4.0
"""So long a child may give nothing before that counts: it starts, and another one would have to start too."""
_FULL_PART = 0.9
_BUSY_PART = 0.8
"""A child that wants the processor less often waits for its source."""
_SOON_SECONDS = 30.0
"""A buffer that would last longer is left alone while more than half of it is there."""
_MARGIN = 1.15
"""How much faster than real time the step that is chosen should be."""
_LITTLE_SECONDS = 2.5
"""With less in the buffer no step is worth trying but the last."""
_ROOM_PART = 0.75
"""The part of the time that a child may want the processor at the better step."""
FIRST_HOLD_SECONDS, LONGEST_HOLD_SECONDS = 30.0, 600.0
"""How long there must be room before a step up: at first, and after some that did not hold."""
REST_SECONDS = 300.0
"""What was seen of the processor so long ago counts no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """An attempt of the item on air at one moment, in monotonic seconds."""

    at: float
    put_seconds: float
    """Length of the pictures that it has given."""
    held_seconds: float
    limit_seconds: float
    wants_processor: bool
    """A thread of the child runs, or waits for a processor."""

    @property
    def full(self) -> bool:
        """Whether the buffer is as good as full: its limit holds the child back."""
        return self.held_seconds >= self.limit_seconds * _FULL_PART


@dataclass(kw_only=True, eq=False)
class Samples:
    """The samples of one attempt that still count."""

    row: deque[Sample] = field(default_factory=deque)
    first: Sample | None = None
    started: bool = False
    """The child has given something, or takes too long for it."""
    room_since: float | None = None
    """Since when its buffer is full."""
    seen: int = 0
    wanted: int = 0
    """So many samples since then, and those that wanted the processor."""

    def add(self, sample: Sample) -> None:
        """Take the next one."""
        if not self.started:
            self.first = self.first or sample
            self.started = sample.put_seconds > self.first.put_seconds or sample.at - self.first.at > _START_SECONDS
            self.row.clear()
        if not sample.full:
            self.room_since, self.seen, self.wanted = None, 0, 0
        elif self.room_since is None:
            self.room_since = sample.at
        if sample.full:
            self.row.clear()
            self.seen += 1
            self.wanted += sample.wants_processor
        self.row.append(sample)
        while self.row[-1].at - self.row[0].at > _LONGEST_WINDOW_SECONDS:
            self.row.popleft()

    @property
    def busy_part(self) -> float:
        """The part of the full time in which the child wanted the processor."""
        return self.wanted / self.seen if self.seen else 1.0


class EncodeLadder:
    """The step of all encodes of a channel; used in the event loop's thread. `changed` gets each change and why."""

    def __init__(
        self,
        steps: Sequence[EncodeStep] = tuple(EncodeStep),
        changed: Callable[[EncodeStep, EncodeStep, str], None] = lambda _old, _new, _why: None,
        *,
        first_hold_seconds: float = FIRST_HOLD_SECONDS,
    ) -> None:
        """`steps`: those that help this channel's encoder, best first; the first is the full one."""
        self._steps = tuple(steps)
        self._machine = StateMachine(STEP_TRANSITIONS, EncodeStep.FULL, changed)
        self._hold = self._first_hold = first_hold_seconds
        self._stepped_up_at: float | None = None
        self._seen_at: float | None = None
        self.margin: float | None = None
        """How many times faster than real time the last encode filled its buffer; None before the first one."""
        self.presets = True
        """Whether the encoder's preset may change."""

    @property
    def step(self) -> EncodeStep:
        """The present step."""
        return self._machine.state

    @property
    def shown(self) -> str:
        """The present step for status and records; empty for the full one."""
        return "" if self.step is EncodeStep.FULL else str(self.step)

    def starting(self, now: float) -> EncodeStep:
        """The step of an attempt that starts now."""
        if self._seen_at is not None and now - self._seen_at > REST_SECONDS:
            self._hold = self._first_hold
            self._machine.move(EncodeStep.FULL, "nothing was encoded on air for long")
        return self.step

    def forgo_presets(self, steps: Sequence[EncodeStep]) -> None:
        """The presets write other codec headers here: from now on only `steps` are used, which leave the encoder alone."""
        self.presets = False
        self._steps = tuple(steps)
        if self.step not in self._steps:
            below = [step for step in self._steps if _ORDER.index(step) > _ORDER.index(self.step)]
            self._machine.move(below[0] if below else EncodeStep.FULL, "its codec headers differ")

    def take(self, step: EncodeStep, samples: Samples, sample: Sample, *, live: bool) -> bool:
        """Judge the item on air, which is encoded at `step`; True if the rest of it should be encoded at another.

        `live`: a new attempt loses what was sent meanwhile, so it never steps up.
        """
        samples.add(sample)
        self._seen_at = sample.at
        if step is not self.step:
            return _ORDER.index(step) < _ORDER.index(self.step) or not live
        if (below := self._step_down(samples)) is not None:
            if self._stepped_up_at is not None and sample.at - self._stepped_up_at < 2 * self._hold:
                self._hold = min(2 * self._hold, LONGEST_HOLD_SECONDS)
            self._machine.move(below, "the encoder is slower than real time")
            return True
        if live or (above := self._step_up(samples, sample.at)) is None:
            return False
        self._stepped_up_at = sample.at
        self._machine.move(above, "the processor has time")
        if above is EncodeStep.FULL and samples.busy_part < _ROOM_PART / 2:
            self._hold = self._first_hold
        return True

    def _step_down(self, samples: Samples) -> EncodeStep | None:
        first, last = samples.row[0], samples.row[-1]
        span = last.at - first.at
        place = self._steps.index(self.step)
        if span < WINDOW_SECONDS or place + 1 == len(self._steps) or last.full:
            return None
        speed = (last.put_seconds - first.put_seconds) / span
        lost = (first.held_seconds - last.held_seconds) / span
        busy = sum(one.wants_processor for one in samples.row) / len(samples.row)
        if lost <= 0 or busy < _BUSY_PART:
            return None
        if last.held_seconds / lost > _SOON_SECONDS and last.held_seconds > last.limit_seconds / 2:
            return None
        lower = self._steps[place + 1 :]
        enough = (step for step in lower if speed >= _MARGIN * relative_cost(self.step, step))
        return lower[-1] if last.held_seconds < _LITTLE_SECONDS else next(enough, lower[-1])

    def _step_up(self, samples: Samples, now: float) -> EncodeStep | None:
        place = self._steps.index(self.step)
        if not place or samples.room_since is None or now - samples.room_since < self._hold:
            return None
        above = self._steps[place - 1]
        return above if samples.busy_part * relative_cost(self.step, above) < _ROOM_PART else None
