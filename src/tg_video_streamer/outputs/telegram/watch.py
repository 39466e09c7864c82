"""Watches a Telegram output while it is on air: delivery, viewers, title, and its end by an administrator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import SessionError, SessionUnreachable, StreamerError, TelegramRefused
from tg_video_streamer.events import DeliveryChanged
from tg_video_streamer.locales.message import Message
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.outputs.telegram.output import FoundStream, TelegramOutput
from tg_video_streamer.outputs.telegram.transport_plan import TelegramTransport
from tg_video_streamer.sighting import Sighting
from tg_video_streamer.telegram.livestream.delivery import (
    GRACE_SECONDS,
    Delivery,
    DeliveryCheck,
    DeliveryState,
    Remedy,
    assess,
)
from tg_video_streamer.telegram.livestream.title import PAUSE_SECONDS

log = structlog.get_logger(__name__)

_TRYING = frozenset({OutputState.CONNECTING, OutputState.RETRYING})


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchPace:
    """How often the watch checks, and how long it waits."""

    check_seconds: float = 5.0
    answer_seconds: float = 10.0
    """How long a check may take where Telegram does not answer."""
    grace_seconds: float = GRACE_SECONDS
    title_seconds: float = PAUSE_SECONDS
    new_key_seconds: float = 3600.0
    """The shortest time between two revocations, which also cut off others who publish with the key."""


class StreamWatch:
    """Watches one TelegramOutput from the event loop."""

    def __init__(
        self,
        output: TelegramOutput,
        *,
        name: str,
        clock: Clock,
        publish: Callable[[DeliveryChanged], None],
        pace: WatchPace | None = None,
    ) -> None:
        self._output = output
        self._name = name
        self._clock = clock
        self._publish = publish
        self._pace = pace or WatchPace()
        self._state = DeliveryState()
        self._bytes = 0
        self._titled: FoundStream | None = None
        self._trouble = ""
        self.viewers: int | None = None
        """The viewers without the account itself; None where unknown."""

    @property
    def delivery(self) -> str:
        """`confirmed`, `unconfirmed`, `missing`, or empty where nothing leaves or it is too early to know."""
        return str(self._state.delivery)

    @property
    def sighting(self) -> Sighting:
        """When the output was last looked at, by this watch or one before it."""
        return Sighting(
            seconds_ago=self._clock.monotonic() - self._output.seen_at,
            period_seconds=self._pace.check_seconds + self._pace.answer_seconds,
        )

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            self._output.seen_at = self._clock.monotonic()
            try:
                async with asyncio.timeout(self._pace.check_seconds):
                    await self._output.ended.wait()
            except TimeoutError:
                continue

    async def check(self) -> None:
        """Check once."""
        report = self._output.handler.status()
        on_air = report.state is OutputState.ON_AIR
        leaving = on_air and report.bytes_sent > self._bytes
        self._bytes = report.bytes_sent
        if on_air:
            self._output.went_on_air()
        if self._output.transport is TelegramTransport.CALL:
            self._output.ended.clear()
            await self._check_call(report.state, leaving=leaving)
            return
        if leaving and self._output.stream is None and self._output.asks:
            await self._find()
        stream = self._output.stream
        newest = None
        if self._output.ended.is_set():
            self._ended()
        elif stream is not None and self._output.asks:
            newest = await self._asked(stream)
            if self._output.stream is not stream:
                return
        else:
            self.viewers = None
        self._assess(leaving=leaving, newest=newest)

    async def _check_call(self, state: OutputState, *, leaving: bool) -> None:
        """Publish what the video chat's own checks found; they also repair it."""
        call, delivery = self._output.call, Delivery.UNKNOWN
        self.viewers = await self._viewers_of_call()
        if call is not None and (leaving or (call.delivery is Delivery.MISSING and state in _TRYING)):
            delivery = call.delivery
        self._update(replace(DeliveryState(), delivery=delivery))

    async def _viewers_of_call(self) -> int | None:
        call = self._output.call
        if call is None or not self._output.asks:
            return None
        try:
            return await call.viewers()
        except (SessionError, TelegramRefused) as trouble:
            self._log_failure(trouble)
            return None

    async def _find(self) -> None:
        try:
            await self._output.find_stream()
        except (SessionError, TelegramRefused) as trouble:
            self._log_failure(trouble)

    async def _asked(self, stream: FoundStream) -> int | None:
        """How far the stream has come; None where Telegram gives no answer. A failure is logged once."""
        try:
            call = await stream.live.refreshed(stream.call)
            if call is None:
                self._ended()
                return None
            self.viewers = stream.live.viewers(call)
            await self._follow_title(stream)
            newest = await stream.live.newest_milliseconds(call)
        except (SessionError, TelegramRefused) as trouble:
            self._log_failure(trouble)
            return None
        self._trouble = ""
        return newest

    async def _follow_title(self, stream: FoundStream) -> None:
        now = self._clock.monotonic()
        if stream is not self._titled:
            self._titled = stream
            self._output.titles.shown = stream.call.title
        title = self._output.titles.due(now)
        if not title:
            return
        try:
            await stream.live.set_title(stream.call, title)
        except SessionUnreachable as trouble:
            self._output.titles.delayed(now, trouble.seconds)
        except TelegramRefused as refused:
            if self._output.titles.refused(now):
                log.warning("live stream title not changed, the next one is tried", why=str(refused))
        else:
            self._output.titles.set(title, now)

    def _ended(self) -> None:
        self._output.ended.clear()
        self.viewers = None
        log.warning("live stream was ended in the chat and is started again")
        self._output.reconnect(Message.of("stream.ended"))

    def _assess(self, *, leaving: bool, newest: int | None) -> None:
        now = self._clock.monotonic()
        check = DeliveryCheck(at=now, leaving=leaving, newest_milliseconds=newest)
        self._update(assess(self._state, check, grace_seconds=self._pace.grace_seconds))
        self._remedy(now)

    def _update(self, state: DeliveryState) -> None:
        """Store the state; publish a change."""
        before, self._state = self._state.delivery, state
        if self._state.delivery is not before:
            self._publish(
                DeliveryChanged(wall=self._clock.wall(), output=self._name, delivery=str(self._state.delivery))
            )
            if self._state.delivery is Delivery.CONFIRMED:
                log.info("telegram has the stream", output=self._name)

    def _remedy(self, now: float) -> None:
        """Carry out the remedy of the state."""
        if self._state.remedy is Remedy.NONE:
            return
        revoked_at = self._output.key_at
        rested = revoked_at is None or now - revoked_at >= self._pace.new_key_seconds
        new_key = self._state.remedy is Remedy.NEW_KEY and rested
        if new_key:
            self._output.key_at = now
        why = Message.of("stream.unseen_new_key" if new_key else "stream.unseen")
        log.warning("telegram does not see the live stream", output=self._name, why=str(why))
        self._output.reconnect(why, new_key=new_key)

    def _log_failure(self, trouble: StreamerError) -> None:
        if str(trouble) != self._trouble:
            self._trouble = str(trouble)
            log.warning("telegram cannot be asked about the live stream", why=self._trouble)
