"""Watches how fast one child encodes the item on air, and says when the rest of the item is encoded at another step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tg_video_streamer.clock import Clock
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.feed.ladder import EncodeLadder, Sample, Samples
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.steps import EncodeStep, stepped, usable_steps

_FULL_PART = 0.9
_RUNNABLE = "R"
"""The state of a thread that runs or could run. One that a signal has stopped could not: it is stuck, and will be replaced."""


class StepWatch:
    """Of one attempt; used in the event loop's thread."""

    def __init__(
        self,
        ladder: EncodeLadder,
        buffer: Buffer,
        clock: Clock,
        *,
        on_air: Callable[[], bool],
        live: bool,
        wants_processor: Callable[[int], bool] | None = None,
    ) -> None:
        """`on_air`: whether viewers see this item now. `wants_processor`: asked with the child's process id."""
        self._ladder = ladder
        self._buffer = buffer
        self._clock = clock
        self._on_air = on_air
        self._live = live
        self._wants_processor = wants_processor or wants_a_processor
        self._samples = Samples()
        self._fill_began: tuple[float, float] | None = None
        self._filled = False
        self.step: EncodeStep = ladder.starting(clock.monotonic())
        """What this attempt is encoded at."""
        self.presets = ladder.presets
        """Whether that changes the encoder's preset."""

    def forgo_presets(self, house: HouseFormat) -> bool:
        """The codec headers of this attempt are foreign: the presets of the steps may be why. False if they cannot be."""
        if not self.presets or stepped(house, self.step).encoder_arguments == house.encoder_arguments:
            return False
        self._ladder.forgo_presets(usable_steps(house, presets=False))
        return True

    def due(self, pid: int) -> bool:
        """Called a few times a second; whether the rest should be encoded at another step than `step`."""
        self._measure_fill()
        if not self._on_air() or self._buffer.finished:
            return False
        held, limit = self._buffer.seconds, self._buffer.limit_seconds
        # With a full buffer at the full step nothing can become better.
        asks = self._ladder.step is not EncodeStep.FULL or held < limit
        sample = Sample(
            at=self._clock.monotonic(),
            put_seconds=self._buffer.seconds_put,
            held_seconds=held,
            limit_seconds=limit,
            wants_processor=asks and self._wants_processor(pid),
        )
        return self._ladder.take(self.step, self._samples, sample, live=self._live)

    def _measure_fill(self) -> None:
        """How fast the buffer fills for the first time: nothing but source and encoder limits that."""
        now, put = self._clock.monotonic(), self._buffer.seconds_put
        if self._fill_began is None:
            self._fill_began = (now, put)
            return
        began, put_then = self._fill_began
        if self._live or self._filled or not put - put_then:
            return
        if self._buffer.finished or self._buffer.seconds >= _FULL_PART * self._buffer.limit_seconds:
            self._filled = True
            if now > began:
                self._ladder.margin = (put - put_then) / (now - began)


def wants_a_processor(pid: int) -> bool:
    """Whether a thread of the process runs or waits for a processor now; True where the system does not say."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return True
    states = set()
    for thread in threads:
        # A thread may end meanwhile.
        with suppress(OSError):
            states.add(_state((thread / "stat").read_bytes()))
    return _RUNNABLE in states


def _state(stat: bytes) -> str:
    """The state in proc(5)'s line, behind the name, which may hold anything."""
    return stat[stat.rindex(b")") + 2 :][:1].decode()
