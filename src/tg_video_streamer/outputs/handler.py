"""Retries one output: backoff, state, last error."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import OutputError, OutputLost, OutputRejected
from tg_video_streamer.events import OutputChanged
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import Stamped
from tg_video_streamer.outputs.adapter import STALL_SECONDS, Adapter, Cancellation, MakeAdapter
from tg_video_streamer.outputs.state import OUTPUT_TRANSITIONS, OutputState
from tg_video_streamer.outputs.timestamps import split_at_limit
from tg_video_streamer.playout.fanout import Fanout, Subscription, SubscriptionClosed
from tg_video_streamer.sighting import Sighting
from tg_video_streamer.state_machine import StateMachine

_WINDOW_SECONDS = 5.0

log = structlog.get_logger(__name__)

AFTER_LOSS = Backoff(first=0.2, longest=1.0)
"""A lost connection is retried at once, without end."""
AFTER_REJECTION = Backoff(first=0.5, longest=60.0)
"""A refusal is retried ever more slowly; the first times soon, since a dead session may still hold the name."""
_SUCCESS_SECONDS = 2.0
"""An attempt on air for this long is a success, after which the pauses start over."""
_JOIN_SECONDS = 2.0
_TAKE_SECONDS = 0.25
Publish: TypeAlias = Callable[[OutputChanged], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputReport:
    """One output at one moment; `error` is its last one, None after it recovered."""

    name: str
    kind: str
    state: OutputState
    since_wall: float
    bytes_sent: int
    bits_per_second: float
    reconnects: int
    dropped_packets: int
    error: Message | None
    sighting: Sighting
    """When the far end was last seen to take media."""


class OutputHandler:
    """Owns the thread, the state and the last error of one output; an adapter makes each attempt.

    Every connection begins with the keyframe of the current GOP. Nothing is queued while the output is down, so that a
    returned server gets the live program. What a slow far end does not take is dropped up to the next keyframe.
    """

    def __init__(
        self,
        *,
        name: str,
        kind: str,
        make_adapter: MakeAdapter,
        fanout: Fanout,
        publish: Publish,
        clock: Clock,
        after_loss: Backoff = AFTER_LOSS,
        after_rejection: Backoff = AFTER_REJECTION,
    ) -> None:
        """`publish` takes events from any thread, such as `EventBus.publish`."""
        self._name = name
        self._kind = kind
        self._make_adapter = make_adapter
        self._fanout = fanout
        self._publish = publish
        self._clock = clock
        self._after_loss = after_loss
        self._after_rejection = after_rejection
        self._machine = StateMachine(OUTPUT_TRANSITIONS, OutputState.IDLE, self._changed)
        self._since_wall = clock.wall()
        self._error: Message | None = None
        self._lock = threading.Lock()
        self._cancelled = Cancellation(fanout.may_send)
        self._thread: threading.Thread | None = None
        self._rate = Rate(clock)
        self._seen_at = clock.monotonic()
        self._reconnects = 0
        self._dropped = 0
        self._losses = 0
        self._rejections = 0
        self._been_on_air = False
        self._subscription: Subscription | None = None
        self._pending: list[Stamped] = []

    def start(self) -> None:
        """Begin, or begin again after `stop`; returns at once."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._cancelled.clear()
        self._thread = threading.Thread(target=self._run, name=f"output {self._name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take it off the air in order; returns within 2 s, whatever the far end does."""
        self._halt(OutputState.STOPPED)

    def finish(self, timeout: float) -> None:
        """Wait until it has sent the end of a program that is over; for `timeout` seconds at most, then `stop`."""
        if self._thread is not None:
            self._thread.join(timeout)
        self.stop()

    def suspend(self, why: Message) -> None:
        """Like `stop`, but because something is missing that only a person can bring; `start` resumes.

        What the operator has stopped stays stopped.
        """
        if self._machine.state is not OutputState.STOPPED:
            self._halt(OutputState.SUSPENDED, why)

    def waits(self, why: Message | None) -> None:
        """The current attempt waits because of `why`; None: it continues.

        Callable from any thread.
        """
        with self._lock:
            if why is not None and self._machine.state in {OutputState.CONNECTING, OutputState.RETRYING}:
                self._error = why
                self._machine.move(OutputState.RETRYING)
            elif why is None and self._machine.state is OutputState.RETRYING:
                self._machine.move(OutputState.CONNECTING)

    def status(self) -> OutputReport:
        """Where it stands now; callable from any thread."""
        with self._lock:
            subscription = self._subscription
            return OutputReport(
                name=self._name,
                kind=self._kind,
                state=self._machine.state,
                since_wall=self._since_wall,
                bytes_sent=self._rate.total,
                bits_per_second=self._rate.bits_per_second(),
                reconnects=self._reconnects,
                dropped_packets=self._dropped + (subscription.dropped if subscription else 0),
                error=self._error,
                sighting=Sighting(seconds_ago=self._clock.monotonic() - self._seen_at, period_seconds=STALL_SECONDS),
            )

    def _halt(self, state: OutputState, error: Message | None = None) -> None:
        self._cancelled.set()
        with self._lock:
            if self._subscription is not None:
                self._subscription.close()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
            if self._thread.is_alive():
                log.error("output thread does not end", output=self._name)
        self._move(state, error)

    def _run(self) -> None:
        while not self._cancelled.is_set():
            try:
                self._attempt()
            except SubscriptionClosed:
                if not self._cancelled.is_set():
                    self._move(OutputState.STOPPED)
                break
            except OutputError as error:
                self._failed(error)
            except Exception as defect:  # a defect of ours must not take an output off the air for good
                log.exception("output attempt broke", output=self._name)
                self._failed(OutputRejected.of("output.defect", detail=type(defect).__name__))
        self._unsubscribe()

    def _attempt(self) -> None:
        """One connection, from opening to its end; ends without an error only to be renewed."""
        self._move(OutputState.CONNECTING)
        adapter = self._make_adapter(self._cancelled)
        self._rate.connection(adapter)
        try:
            adapter.open()
            if self._subscription is None:
                self._subscribe()
            self._pump(adapter)
        finally:
            self._rate.update()
            adapter.close()

    def _pump(self, adapter: Adapter) -> None:
        subscription = self._subscription
        if subscription is None:
            return
        first_ticks: int | None = None
        on_air_at = fed_at = self._clock.monotonic()
        packets, self._pending = self._pending, []
        while True:
            packets = packets or subscription.take(_TAKE_SECONDS)
            now = self._clock.monotonic()
            if packets:
                fed_at = now
                first_ticks = packets[0].ticks if first_ticks is None else first_ticks
                if adapter.limit_ticks is not None:
                    current, later = split_at_limit(packets, first_ticks, adapter.limit_ticks)
                    packets, self._pending = list(current), list(later)
                if self._cancelled.is_set():
                    raise SubscriptionClosed
                adapter.send(packets)
                packets = []
            else:
                adapter.attend()
            self._seen_at = self._clock.monotonic()
            self._rate.update()
            if self._pending:
                return
            if now - fed_at >= STALL_SECONDS:
                self._move(OutputState.CONNECTING)
            elif self._machine.state is OutputState.CONNECTING and adapter.delivering():
                on_air_at = now
                self._went_on_air()
            elif now - on_air_at >= _SUCCESS_SECONDS and self._machine.state is OutputState.ON_AIR:
                self._losses = self._rejections = 0

    def _subscribe(self) -> None:
        with self._lock:
            if self._cancelled.is_set():
                raise SubscriptionClosed
            self._subscription = self._fanout.subscribe()

    def _unsubscribe(self) -> None:
        with self._lock:
            if self._subscription is not None:
                self._dropped += self._subscription.dropped
                self._subscription.close()
                self._subscription = None
            self._pending = []

    def _went_on_air(self) -> None:
        if self._been_on_air and (self._losses or self._rejections):
            with self._lock:
                self._reconnects += 1
        self._been_on_air = True
        self._move(OutputState.ON_AIR)

    def _failed(self, error: OutputError) -> None:
        self._unsubscribe()
        if self._cancelled.is_set():
            return
        if isinstance(error, OutputLost):
            self._losses += 1
            pause = self._after_loss.pause(self._losses)
        else:
            self._rejections += 1
            pause = self._after_rejection.pause(self._rejections)
        pause = max(pause, error.seconds)
        self._move(OutputState.RETRYING, error.full_message)
        log.warning("output lost", output=self._name, error=str(error), reason=error.reason, retry_seconds=pause)
        self._cancelled.wait(pause)

    def _move(self, state: OutputState, error: Message | None = None) -> None:
        """`error`: why it is not on air, where that is new."""
        with self._lock:
            if state is OutputState.ON_AIR or error is not None:
                self._error = error
            self._machine.move(state)

    def _changed(self, old: OutputState, new: OutputState, _why: str) -> None:
        self._since_wall = self._clock.wall()
        log.info("output changed", output=self._name, old=str(old), new=str(new))
        self._publish(OutputChanged(wall=self._since_wall, output=self._name, state=str(new), error=self._error))


class Rate:
    """Bytes over all connections of an output; updated by its thread, read by any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._adapter: Adapter | None = None
        self._before = 0
        self._samples: deque[tuple[float, int]] = deque([(clock.monotonic(), 0)])
        self.total = 0
        """Bytes sent since the output was made."""

    def connection(self, adapter: Adapter) -> None:
        """A new connection, which counts from 0."""
        with self._lock:
            self._before = self.total
            self._adapter = adapter

    def update(self) -> None:
        """Look what the connection has sent."""
        with self._lock:
            if self._adapter is not None:
                self.total = self._before + self._adapter.bytes_sent
            now = self._clock.monotonic()
            # A sample a slice would be more than is needed: four a second are enough.
            if now - self._samples[-1][0] >= 0.25:
                self._samples.append((now, self.total))
                self._forget(now)

    def bits_per_second(self) -> float:
        """Over the last five seconds."""
        with self._lock:
            now = self._clock.monotonic()
            self._forget(now)
            then, sent = self._samples[0]
            return (self.total - sent) * 8 / max(now - then, 1.0)

    def _forget(self, now: float) -> None:
        # The last sample that is older than the window stays: the rate is measured from it.
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW_SECONDS:
            self._samples.popleft()
