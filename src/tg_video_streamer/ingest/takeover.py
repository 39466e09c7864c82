"""Puts a live stream on air: one publisher at a time, from its first keyframe until it ends or stalls."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from tg_video_streamer.errors import ControlError, PublisherRefused
from tg_video_streamer.events import CutReason
from tg_video_streamer.ingest.encoder import EncoderParts, LiveEncoder, source_of
from tg_video_streamer.ingest.live_publisher import LivePublisher
from tg_video_streamer.ingest.media import Announced
from tg_video_streamer.ingest.state import LIVE_TRANSITIONS, LiveState
from tg_video_streamer.ingest.still import jpeg_of
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playout.source import AirSource, PlayoutEvent, SourceStarted
from tg_video_streamer.state_machine import StateMachine

log = structlog.get_logger(__name__)


REPLACED_SECONDS = 2.0
"""A publisher that has sent nothing for so long gives its place to another one with the key: its cable may be pulled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveFacts:
    """The state of the live input."""

    state: LiveState
    since_wall: float
    """When the state began."""
    takeovers: int
    """How often viewers were switched to a live stream."""
    publisher: LivePublisher | None
    problem: Message | None
    """Why no publisher can connect; else empty."""


@dataclass(kw_only=True)
class TakeoverCount:
    """How often viewers were switched to a live stream since the start of the service."""

    takeovers: int = 0


class Takeover:
    """Belongs to the event loop; `run` owns the encoders, which outlive their publisher for a moment."""

    def __init__(
        self,
        parts: EncoderParts,
        *,
        key: str,
        offer: Callable[[AirSource], None],
        withdraw: Callable[[AirSource], bool],
        counts: TakeoverCount | None = None,
        asks: bool = False,
        doors: int = 1,
    ) -> None:
        """`key` is the publisher's secret; `offer` and `withdraw` are the playout's. `counts` outlive a restart of this.

        `asks`: what comes in waits for `take`. `doors`: how many listeners there are; closed is it where none can listen.
        """
        self._parts = parts
        self._key = key.encode()
        self._offer = offer
        self._withdraw = withdraw
        self._clock = parts.clock
        self._machine = StateMachine(LIVE_TRANSITIONS, LiveState.WAITING, self._moved)
        self._since_wall = self._clock.wall()
        self._publisher: LivePublisher | None = None
        self._encoders: list[LiveEncoder] = []
        self._on_air: LiveEncoder | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._counts = counts or TakeoverCount()
        self._asks = asks
        self._problems: dict[str, Message] = {}
        self._doors = doors

    async def run(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Run `serve` and the encoders of the publishers that it accepts, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await serve()
        finally:
            for encoder in self._encoders:
                if encoder.offered is not None:
                    self._withdraw(encoder.offered)
                encoder.close()
            self._encoders.clear()
            self._publisher = self._on_air = self._tasks = None
            self._machine = StateMachine(LIVE_TRANSITIONS, LiveState.CLOSED, self._moved)

    def facts(self) -> LiveFacts:
        """The state now."""
        return LiveFacts(
            state=self._machine.state,
            since_wall=self._since_wall,
            takeovers=self._counts.takeovers,
            publisher=self._publisher,
            problem=next(iter(self._problems.values()), None),
        )

    def cannot_listen(self, problem: Message | None, *, door: str = "rtmp") -> None:
        """Why no publisher can come by that door; None: one can."""
        if problem is None:
            self._problems.pop(door, None)
        else:
            self._problems[door] = problem
        self._update_state()

    def admit(self, key: str) -> None:
        """Check a publisher's `key`. Raises PublisherRefused, whose text reveals nothing."""
        if not hmac.compare_digest(key.encode(), self._key):
            raise PublisherRefused(Message.of("publisher.wrong_key"), why="wrong_key")
        self.require_place()

    def require_place(self) -> None:
        """Raises PublisherRefused while another publisher sends."""
        if self._publisher is not None and self._publisher.silent_seconds < REPLACED_SECONDS:
            raise PublisherRefused(Message.of("publisher.busy"), why="busy")

    def begin(self, peer_class: str, close: Callable[[], None]) -> LivePublisher:
        """A publisher is admitted; `end` follows. `close` ends its connection."""
        silent, self._publisher = self._publisher, None
        if silent is not None:
            log.info("a silent live stream gives its place to another one", seconds=round(silent.silent_seconds, 1))
            silent.give_place()
        self._publisher = LivePublisher(peer_class=peer_class, clock=self._clock, start=self._start, close=close)
        # The same operator whose cable was pulled is not asked about again.
        self._publisher.taken = not self._asks or (silent is not None and silent.taken and not silent.ignored)
        log.info("a live stream arrives", where=peer_class)
        self._update_state()
        return self._publisher

    def end(self, publisher: LivePublisher, reason: str) -> None:
        """The publisher is gone."""
        publisher.end()
        if publisher is self._publisher:
            self._publisher = None
        log.info("the live stream has ended", reason=reason)
        self._update_state()

    def take(self) -> None:
        """Put the stream that waits on air. Raises ControlError where none waits."""
        if not self._waits or self._publisher is None:
            raise ControlError.of("refused.nothing_to_take")
        self._publisher.taken = True
        log.info("the live stream is taken", where=self._publisher.peer_class)
        self._update_state()

    async def still(self) -> bytes | None:
        """The stream that waits, as JPEG; None where none waits or nothing is encoded yet. Raises ChildFailed."""
        encoder = next((one for one in reversed(self._encoders) if not one.finishing), None)
        keyframe = encoder.newest_keyframe() if encoder is not None and self._waits else None
        if keyframe is None:
            return None
        return await jpeg_of(keyframe, self._parts.headers, ffmpeg=self._parts.ffmpeg)

    @property
    def _waits(self) -> bool:
        return self._publisher is not None and not self._publisher.taken and not self._publisher.ignored

    def on_playout_event(self, event: PlayoutEvent) -> None:
        """Follow a live stream that started or ended on air."""
        encoder = next((one for one in self._encoders if one.offered is event.source), None)
        if isinstance(event, SourceStarted):
            self._on_air = encoder
            self._counts.takeovers += 1
        else:
            if self._on_air is encoder:
                self._on_air = None
            if event.reason is CutReason.SKIPPED and self._publisher is not None:
                self._publisher.ignore()
            if encoder is not None:
                self._left_air(encoder, event.reason)
        self._update_state()

    def _left_air(self, encoder: LiveEncoder, reason: CutReason) -> None:
        if encoder.over or encoder.finishing or reason is CutReason.SKIPPED:
            encoder.close()
            self._forget(encoder)
        else:
            encoder.off_air(dry=reason is CutReason.LIVE_STALLED)

    def _start(self, said: Announced, sound: bool) -> LiveEncoder:  # noqa: FBT001 - as StartEncoder has it
        assert self._tasks is not None  # noqa: S101 - no publisher is admitted before `run`
        source = source_of(said, self._parts.house, sound=sound)
        publisher = self._publisher
        encoder = LiveEncoder(
            self._parts, source, offer=self._offer, taken=lambda: publisher is not None and publisher.taken
        )
        self._encoders.append(encoder)
        self._tasks.create_task(self._run_encoder(encoder), name="live encoder")
        return encoder

    async def _run_encoder(self, encoder: LiveEncoder) -> None:
        await encoder.run()
        if encoder.error is not None:
            log.warning("the live stream cannot be encoded", error=str(encoder.error))
        if encoder is self._on_air or (encoder.offered is not None and not self._withdraw(encoder.offered)):
            return  # its buffer plays to the end; the playout's event follows
        encoder.close()
        self._forget(encoder)

    def _forget(self, encoder: LiveEncoder) -> None:
        if encoder in self._encoders:
            self._encoders.remove(encoder)

    def _update_state(self) -> None:
        """Move to the state that follows from publisher and encoders."""
        if len(self._problems) >= self._doors:
            self._machine.move(LiveState.CLOSED, "; ".join(map(str, self._problems.values())))
        elif self._publisher is not None and self._publisher.ignored:
            self._machine.move(LiveState.IGNORED)
        elif self._on_air is not None:
            self._arrive()
            self._machine.move(LiveState.ON_AIR)
        elif self._waits:
            if self._machine.state is not LiveState.OFFERED:
                self._arrive()
                self._machine.move(LiveState.OFFERED)
        elif self._publisher is not None:
            self._arrive()
        else:
            self._machine.move(LiveState.WAITING)

    def _arrive(self) -> None:
        """Pass through `arriving` where the transition table requires it."""
        if self._machine.state in {LiveState.CLOSED, LiveState.IGNORED}:
            self._machine.move(LiveState.WAITING)
        if self._on_air is None or self._machine.state is LiveState.WAITING:
            self._machine.move(LiveState.ARRIVING)

    def _moved(self, old: LiveState, new: LiveState, why: str) -> None:
        self._since_wall = self._clock.wall()
        log.debug("live takeover moved", old=str(old), new=str(new), why=why)
