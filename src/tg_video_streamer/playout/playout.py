"""The playout: the program's only clock; publishes every frame when it is due and records what was on air."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import FeedError
from tg_video_streamer.events import EventBus, SegmentEnded, SegmentStarted, SourceFailed, SourceLevel
from tg_video_streamer.media import FRAMES_PER_SECOND, Stamped, seconds
from tg_video_streamer.playout.cue import CueTime
from tg_video_streamer.playout.fallback import Cut, FallbackChain
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.playout.on_air import OnAir
from tg_video_streamer.playout.segment import Segment
from tg_video_streamer.playout.slate import Slate, SlateReason
from tg_video_streamer.playout.source import AirSource, PlayoutListener, SourceEnded, SourceStarted
from tg_video_streamer.playout.state import CHANNEL_TRANSITIONS, STATE_OF_RUNG, ChannelState
from tg_video_streamer.state_machine import StateMachine

log = structlog.get_logger(__name__)

SLICE_SECONDS = 0.16
"""Four frames: how often the playout wakes. Measured: its wake-ups cost ten times as much as the packets themselves."""
LATE_SECONDS = 2.0
"""A program that is later than this (the host was frozen) goes on from now instead of rushing after the clock."""


class Playout:
    """One program. Commands may come from any thread; they count from the next frame on.

    `play_until` is the whole of it: `start` runs it in a thread by the clock, tests call it with any time they like.
    """

    def __init__(
        self, *, slate: Slate, fanout: Fanout, clock: Clock, events: EventBus, listener: PlayoutListener
    ) -> None:
        """`listener` is called from the playout's thread, for every showing but the slate; it must return at once."""
        self._cues: Mapping[str, CueTime] = {}
        self._fanout = fanout
        self._clock = clock
        self._events = events
        self._listener = listener
        self._fallback = FallbackChain(slate, cut=self._record, gone=self._gone, failed=self._failed)
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._epoch: float | None = None
        self._published = clock.monotonic()
        self._since_wall = clock.wall()
        self._gap_before = 0.0
        self.reason = ""
        """Why viewers see what they see: the word that the last cut was made for."""
        self.state = StateMachine(CHANNEL_TRANSITIONS, ChannelState.STARTING)
        self.gap_seconds = 0.0
        """By how much the program was late, in all."""
        self.skew_seconds = 0.0
        """The largest lip-sync error so far."""
        self.splices: Counter[str] = Counter()
        self._frames_before: Counter[SourceLevel] = Counter()

    # Commands

    def offer(self, showing: AirSource) -> None:
        """`showing` is primed: it follows what is on air, or replaces filler and slate at once; a live one replaces all."""
        with self._lock:
            self._fallback.offer(showing)
        self._wake.set()

    def withdraw(self, showing: AirSource) -> bool:
        """Take back an offer; False where it was taken already."""
        with self._lock:
            return self._fallback.withdraw(showing)

    def offer_filler(self, showing: AirSource) -> None:
        """`showing` is primed and covers what the items leave open."""
        with self._lock:
            self._fallback.filler = showing
        self._wake.set()

    def skip(self) -> AirSource | None:
        """Leave what is live, or the item that is on air or waits, at the next frame; which one, None for none."""
        with self._lock:
            showing = self._fallback.skip()
        self._wake.set()
        return showing

    def cut_to(self, showing: AirSource) -> None:
        """Leave the item for `showing` at the next frame, if that is still on offer."""
        with self._lock:
            if self._fallback.next is showing:
                self._fallback.skip_item()
        self._wake.set()

    def hold(self, reason: SlateReason) -> None:
        """Show the slate until `release`; the item waits where it is."""
        with self._lock:
            self._fallback.held = reason
        self._wake.set()

    def release(self) -> None:
        """Go on where `hold` left."""
        with self._lock:
            self._fallback.held = None
        self._wake.set()

    def set_cues(self, cues: Mapping[str, CueTime]) -> None:
        """When items with a scheduled time begin, by their keys; all others begin in their turn."""
        with self._lock:
            self._cues = cues

    def explain(self, reason: SlateReason) -> None:
        """What the slate says when it comes up without a hold."""
        with self._lock:
            self._fallback.slate_reason = reason

    # What is true now

    @property
    def held(self) -> SlateReason | None:
        """Why the operator holds the program; None where nobody does."""
        return self._fallback.held

    @property
    def item(self) -> AirSource | None:
        """The item that is on air or waits behind filler or slate."""
        with self._lock:
            return self._fallback.item

    @property
    def on_air(self) -> OnAir | None:
        """What viewers see; None before the first frame."""
        with self._lock:
            stretch = self._fallback.stretch
            if stretch is None:
                return None
            return OnAir(
                showing=stretch.showing,
                since_wall=self._since_wall,
                reason=self.reason,
                own_seconds=seconds(stretch.own_ticks),
            )

    @property
    def item_seconds(self) -> float:
        """How far into `item` the program is; 0 where there is none."""
        with self._lock:
            return seconds(self._fallback.item_ticks)

    @property
    def program_seconds(self) -> float:
        """Length of the program so far: while it grows, the program advances."""
        with self._lock:
            return self._fallback.frames / FRAMES_PER_SECOND

    @property
    def standstill_seconds(self) -> float:
        """For how long nothing was published; a program that advances stays below a fifth."""
        return self._clock.monotonic() - self._published

    def seconds_by_level(self) -> dict[SourceLevel, float]:
        """Length of the program so far on each level."""
        with self._lock:
            frames = Counter(self._frames_before)
            if (stretch := self._fallback.stretch) is not None:
                frames[stretch.showing.level] += stretch.frames
        return {level: frames[level] / FRAMES_PER_SECOND for level in SourceLevel}

    # The clock

    def start(self) -> None:
        """Go on air."""
        self._thread = threading.Thread(target=self._run, name="playout", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the air; what was on it is recorded."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            if self._fallback.stretch is not None:
                self._came_off(self._fallback.stretch, "stopped")
            self.state.move(ChannelState.STOPPING)

    def _run(self) -> None:
        due = self._clock.monotonic()
        while not self._stopping:
            now = self._clock.monotonic()
            self.play_until(now)
            due = max(due + SLICE_SECONDS, now)
            self._wake.wait(max(0.0, due - self._clock.monotonic()))
            self._wake.clear()

    def play_until(self, now: float) -> None:
        """Publish every frame that is due at `now`, in seconds of the monotonic clock."""
        out: list[Stamped] = []
        with self._lock:
            fallback = self._fallback
            if self._epoch is None:
                self._epoch = now
            late = now - self._epoch - fallback.frames / FRAMES_PER_SECOND
            if late > LATE_SECONDS:
                log.warning("program was late: the process or the host was frozen", seconds=round(late, 2))
                self._epoch += late
                self.gap_seconds += late
            cue_time = self._cues.get(fallback.next.key) if fallback.next is not None else None
            # Computed each time: a wall clock is set now and then.
            fallback.cue = (
                cue_time.cue(wall=self._clock.wall(), program_seconds=self._clock.monotonic() - self._epoch)
                if cue_time is not None
                else None
            )
            fallback.obey(now, out)
            due = int((now - self._epoch) * FRAMES_PER_SECOND + 1e-6) + 1
            while fallback.frames < due:
                fallback.frame(now, out)
        if out:
            self._fanout.publish(out)
            self._published = now

    # Records

    def _record(self, cut: Cut) -> None:
        if cut.left is not None:
            self._came_off(cut.left, cut.reason)
            if cut.left.showing.level is not SourceLevel.SLATE and not cut.set_aside:
                self._listener(SourceEnded(source=cut.left.showing, reason=cut.reason))
        showing = cut.came.showing
        self._since_wall = self._clock.wall()
        self._gap_before = self.gap_seconds
        self.reason = cut.reason
        self.splices[cut.reason] += 1
        self.state.move(STATE_OF_RUNG[showing.level], cut.reason)
        log.info("on air", level=str(showing.level), reason=cut.reason, title=showing.title)
        self._events.publish(
            SegmentStarted(
                wall=self._since_wall,
                level=showing.level,
                reason=cut.reason,
                key=showing.key,
                title=showing.title,
                counts=showing.counts and not cut.resumed,
            )
        )
        if showing.level is not SourceLevel.SLATE:
            self._listener(SourceStarted(source=showing, reason=cut.reason))

    def _came_off(self, stretch: Segment, reason: str) -> None:
        showing = stretch.showing
        self._frames_before[showing.level] += stretch.frames
        self.skew_seconds = max(self.skew_seconds, stretch.skew_seconds)
        self._events.publish(
            SegmentEnded(
                started=self._since_wall,
                wall=self._clock.wall(),
                level=showing.level,
                reason=reason,
                key=showing.key,
                title=showing.title,
                seconds=stretch.frames / FRAMES_PER_SECOND,
                gap_seconds=self.gap_seconds - self._gap_before,
                skew_seconds=stretch.skew_seconds,
            )
        )

    def _gone(self, showing: AirSource, reason: str) -> None:
        self._listener(SourceEnded(source=showing, reason=reason))

    def _failed(self, showing: AirSource, error: FeedError) -> None:
        log.error("source left the air", key=showing.key, title=showing.title, error=str(error))
        self._events.publish(
            SourceFailed(
                wall=self._clock.wall(),
                stage="program",
                reason=error.reason,
                detail=str(error),
                key=showing.key,
                title=showing.title,
            )
        )
