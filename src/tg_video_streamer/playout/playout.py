"""The playout: the program's only clock. Publishes every frame in time and records what was on air."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.errors import FeedError
from tg_video_streamer.events import (
    CutReason,
    EventBus,
    SegmentEnded,
    SegmentStarted,
    SlateReason,
    SourceFailed,
    SourceLevel,
)
from tg_video_streamer.media import Stamped, seconds
from tg_video_streamer.playout.cue import CueTime
from tg_video_streamer.playout.fallback import Cut, FallbackChain
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.playout.segment import Segment
from tg_video_streamer.playout.slate import Slate
from tg_video_streamer.playout.source import AirSource, PlayoutListener, SourceEnded, SourceStarted
from tg_video_streamer.playout.state import CHANNEL_TRANSITIONS, STATE_OF_LEVEL, ChannelState
from tg_video_streamer.state_machine import StateMachine

log = structlog.get_logger(__name__)

SLICE_SECONDS = 0.16
"""How often the playout wakes. Measured: its wake-ups cost ten times as much as the packets themselves."""
LATE_SECONDS = 2.0
"""A program that is later than this (the host was frozen) continues from now and does not catch up."""


class Playout:
    """One program. Commands may come from any thread; they take effect at the next frame.

    `start` calls `play_until` in a thread by the clock; tests call it with any time.
    """

    def __init__(
        self, *, slate: Slate, fanout: Fanout, clock: Clock, events: EventBus, listener: PlayoutListener
    ) -> None:
        """`listener` is called from the playout's thread, for every source but the slate; it must return at once."""
        self._cues: Mapping[str, CueTime] = {}
        self._fanout = fanout
        self._clock = clock
        self._rate = slate.rate
        self._events = events
        self._listener = listener
        self._fallback = FallbackChain(slate, on_cut=self._record, on_end=self._end, on_failure=self._record_failure)
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._epoch: float | None = None
        self._published = clock.monotonic()
        self._gap_before = 0.0
        self._recorded_frames = 0
        """Of the segment on air, in records that are closed: it had another title then."""
        self.on_air: SegmentStarted | None = None
        """The start of the segment that is on air; None before the first frame."""
        self.state = StateMachine(CHANNEL_TRANSITIONS, ChannelState.STARTING)
        self.gap_seconds = 0.0
        """By how much the program was late, in all."""
        self.skew_seconds = 0.0
        """The largest lip-sync error so far."""

    # Commands

    def offer(self, source: AirSource) -> None:
        """`source` is primed: an item follows the item on air, or replaces filler and slate; a live one replaces all."""
        with self._lock:
            self._fallback.offer(source)
        self._wake.set()

    def offer_after(self, source: AirSource) -> None:
        """`source` is a primed item that follows those on offer."""
        with self._lock:
            self._fallback.offer_after(source)
        self._wake.set()

    def withdraw(self, source: AirSource) -> bool:
        """Take back an offer; False where it is on air already."""
        with self._lock:
            return self._fallback.withdraw(source)

    def offer_filler(self, source: AirSource | None) -> None:
        """`source` is primed and plays while no item is ready; None takes it back."""
        with self._lock:
            self._fallback.filler = source
        self._wake.set()

    def offer_backup(self, source: AirSource | None) -> None:
        """`source` is primed and plays while the item on air is away; None takes it back."""
        with self._lock:
            self._fallback.backup = source
        self._wake.set()

    def replace_item(self, source: AirSource, other: AirSource) -> None:
        """`other` is primed and takes the place of the item `source` at the next frame, on air or waiting."""
        with self._lock:
            self._fallback.replace_item(source, other)
        self._wake.set()

    def end_item(self, source: AirSource, reason: CutReason) -> None:
        """Leave `source` at the next frame, if it is the item on air or waits to be."""
        with self._lock:
            self._fallback.end_item(source, reason)
        self._wake.set()

    def skip(self) -> AirSource | None:
        """Leave the live stream, or else the item, at the next frame; the one that is left, None where there is none."""
        with self._lock:
            source = self._fallback.skip()
        self._wake.set()
        return source

    def cut_to_next(self, source: AirSource) -> None:
        """Leave the item for `source` at the next frame, if that is still on offer."""
        with self._lock:
            if self._fallback.next is source:
                self._fallback.skip_item()
        self._wake.set()

    def hold(self, reason: SlateReason) -> None:
        """Show the slate until `release`; the item waits."""
        with self._lock:
            self._fallback.held = reason
        self._wake.set()

    def release(self) -> None:
        """Continue where `hold` interrupted."""
        with self._lock:
            self._fallback.held = None
        self._wake.set()

    def set_cues(self, cues: Mapping[str, CueTime]) -> None:
        """When scheduled items start, by key; all others start in their turn."""
        with self._lock:
            self._cues = cues

    def set_slate_reason(self, reason: SlateReason) -> None:
        """What the slate states while nothing holds the program."""
        with self._lock:
            self._fallback.slate_reason = reason

    def retitle(self, source: AirSource) -> None:
        """The title of `source` may have changed: if it is on air, the records continue with the new one."""
        with self._lock:
            segment, started = self._fallback.segment, self.on_air
            if segment is None or segment.source is not source or started is None or source.title is None:
                return
            title = DisplayText(source.title())
            if title == started.content.title:
                return
            self._record_end(segment, CutReason.RETITLED)
            self._recorded_frames = segment.frames
            self.on_air = SegmentStarted(
                wall=self._clock.wall(),
                reason=CutReason.RETITLED,
                content=replace(started.content, title=title, new_play=False),
            )
            self._gap_before = self.gap_seconds
            self._events.publish(self.on_air)

    # State

    @property
    def held(self) -> SlateReason | None:
        """Why the operator holds the program; None where it is not held."""
        return self._fallback.held

    @property
    def item(self) -> AirSource | None:
        """The item that is on air or waits behind filler or slate."""
        with self._lock:
            return self._fallback.item

    @property
    def item_seconds(self) -> float:
        """How far into `item` the program is; 0 without an item."""
        with self._lock:
            return seconds(self._fallback.item_ticks)

    @property
    def program_seconds(self) -> float:
        """Length of the program so far."""
        with self._lock:
            return self._fallback.frames / self._rate

    @property
    def standstill_seconds(self) -> float:
        """For how long nothing was published; below 0.2 while the program advances."""
        return self._clock.monotonic() - self._published

    # The clock

    def start(self) -> None:
        """Go on air."""
        self._thread = threading.Thread(target=self._run, name="playout", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the air and record the last segment."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            if self._fallback.segment is not None:
                self._record_end(self._fallback.segment, CutReason.STOPPED)
            self.state.move(ChannelState.STOPPING)

    def _run(self) -> None:
        next_slice = self._clock.monotonic()
        while not self._stopping:
            now = self._clock.monotonic()
            self.play_until(now)
            next_slice = max(next_slice + SLICE_SECONDS, now)
            self._wake.wait(max(0.0, next_slice - self._clock.monotonic()))
            self._wake.clear()

    def play_until(self, now: float) -> None:
        """Publish every frame up to `now`, in seconds of the monotonic clock."""
        out: list[Stamped] = []
        with self._lock:
            fallback = self._fallback
            if self._epoch is None:
                self._epoch = now
            late = now - self._epoch - fallback.frames / self._rate
            if late > LATE_SECONDS:
                log.warning("program was late: the process or the host was frozen", seconds=round(late, 2))
                self._epoch += late
                self.gap_seconds += late
            self._find_cue()
            fallback.update(now, out)
            frames = int((now - self._epoch) * self._rate + 1e-6) + 1
            following = fallback.next
            while fallback.frames < frames:
                if fallback.next is not following:
                    following = fallback.next
                    self._find_cue()
                fallback.frame(now, out)
        if out:
            self._fanout.publish(out)
            self._published = now

    def _find_cue(self) -> None:
        """When the next item starts. Computed each time: a wall clock is set now and then."""
        following, epoch = self._fallback.next, self._epoch
        cue_time = self._cues.get(following.content.key) if following is not None else None
        self._fallback.cue = (
            cue_time.cue(self._rate, wall=self._clock.wall(), program_seconds=self._clock.monotonic() - epoch)
            if cue_time is not None and epoch is not None
            else None
        )

    # Records

    def _record(self, cut: Cut) -> None:
        if cut.left is not None:
            self._record_end(cut.left, cut.reason)
            if cut.left.source.content.level is not SourceLevel.SLATE and not cut.set_aside:
                self._end(cut.left.source, cut.reason)
        source = cut.started.source
        content = replace(source.content, new_play=False) if cut.resumed else source.content
        if source.title is not None:
            content = replace(content, title=source.title() or content.title)
        self._recorded_frames = 0
        self.on_air = SegmentStarted(wall=self._clock.wall(), reason=cut.reason, content=content)
        self._gap_before = self.gap_seconds
        self.state.move(STATE_OF_LEVEL[content.level], cut.reason)
        log.info(
            "on air",
            source_level=str(content.level),
            reason=str(cut.reason),
            title=content.title or content.slate_reason or "",
        )
        self._events.publish(self.on_air)
        if content.level is not SourceLevel.SLATE:
            self._listener(SourceStarted(source=source, reason=cut.reason))

    def _record_end(self, segment: Segment, reason: CutReason) -> None:
        assert self.on_air is not None  # noqa: S101 - a segment that ends was started by _record
        self.skew_seconds = max(self.skew_seconds, segment.skew_seconds)
        self._events.publish(
            SegmentEnded(
                started=self.on_air.wall,
                wall=self._clock.wall(),
                reason=reason,
                content=replace(self.on_air.content, encode_step=segment.source.encode_step() or None),
                seconds=(segment.frames - self._recorded_frames) / self._rate,
                gap_seconds=self.gap_seconds - self._gap_before,
                skew_seconds=segment.skew_seconds,
            )
        )

    def _end(self, source: AirSource, reason: CutReason) -> None:
        self._listener(SourceEnded(source=source, reason=reason))

    def _record_failure(self, source: AirSource, error: FeedError) -> None:
        content = source.content
        log.error("source left the air", key=content.key, title=content.title, error=str(error))
        self._events.publish(
            SourceFailed(
                wall=self._clock.wall(),
                stage="program",
                reason=error.reason,
                detail=str(error),
                key=content.key,
                title=content.title,
            )
        )
