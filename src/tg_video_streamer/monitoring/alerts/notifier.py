"""Sends alerts to people: takes events from the bus, and one worker sends digests, outside the event handlers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain, repeat

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.events import Event
from tg_video_streamer.locales.message import Message
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.monitoring.alerts.alert import Alert, Severity, sanitized
from tg_video_streamer.monitoring.alerts.digest import Digest, DigestQueue
from tg_video_streamer.monitoring.alerts.evaluator import AlertEvaluator
from tg_video_streamer.monitoring.alerts.send import Sent, send

log = structlog.get_logger(__name__)

RETRY_PAUSES = (30.0, 120.0, 600.0)
"""After an attempt that reached no address, the last one repeatedly: an outage of the network stops alerts too."""
GIVE_UP_SECONDS = 24 * 3600.0
_LATE_SECONDS = 60.0

Redact = Callable[[str], str]


class Notifier:
    """For the event loop's thread; without addresses it does nothing."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        after_seconds: float,
        clock: Clock,
        redact: Redact,
        translator: Translator | None = None,
        retry_pauses: Sequence[float] = RETRY_PAUSES,
        give_up_seconds: float = GIVE_UP_SECONDS,
    ) -> None:
        """`redact` masks every secret of the service; a digest is tried for `give_up_seconds`."""
        self._addresses = tuple(addresses)
        self._clock = clock
        self._redact = redact
        self._translator = translator or Translator()
        self._retry_pauses = tuple(retry_pauses)
        self._give_up_seconds = give_up_seconds
        self._evaluator = AlertEvaluator(after_seconds=after_seconds)
        self._queue = DigestQueue(self._translator)
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._failing = False

    def notify(self, message: Message, *, topic: str, severity: Severity = Severity.WARNING) -> None:
        """Send `message` as an alert; callable from any thread, returns at once."""
        if self._addresses and not self._loop.is_closed():
            alert = Alert(topic=topic, severity=severity, message=message)
            self._loop.call_soon_threadsafe(self._put, [alert])

    def on_event(self, event: Event) -> None:
        """Evaluate one event; subscribe this to the event bus."""
        if self._addresses:
            self._put(self._evaluator.on_event(event, self._clock.monotonic()))

    async def run(self) -> None:
        """Send digests until cancelled."""
        if not self._addresses:
            await asyncio.Event().wait()
        while True:
            self._changed.clear()
            now = self._clock.monotonic()
            self._queue_alerts(self._evaluator.evaluate(now), now)
            digest = self._queue.take(now)
            if digest is not None:
                await self._deliver(digest)
            else:
                await self._wait(now)

    def _put(self, alerts: Sequence[Alert]) -> None:
        self._queue_alerts(alerts, self._clock.monotonic())
        # Any event may change the time of the next evaluation.
        self._changed.set()

    def _queue_alerts(self, alerts: Sequence[Alert], now: float) -> None:
        for alert in alerts:
            text = sanitized(self._redact(self._translator.message_text(alert.message)))
            self._queue.put(alert.topic, alert.severity, text, now)

    async def _wait(self, now: float) -> None:
        times = [at for at in (self._evaluator.next_evaluation(), self._queue.next_digest()) if at is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(times) - now) if times else None):
                await self._changed.wait()

    async def _deliver(self, digest: Digest) -> None:
        """Send it to all addresses, again while it reaches none; later alerts are collected meanwhile."""
        began = self._clock.monotonic()
        for pause in chain(self._retry_pauses, repeat(self._retry_pauses[-1])):
            result = await self._attempt(digest, self._clock.monotonic() - began)
            if result.sent:
                self._failing = False
                return
            # Addresses that Apprise cannot read stay unreadable.
            hopeless = result.unknown and not result.failed
            if hopeless or self._clock.monotonic() - began + pause > self._give_up_seconds:
                log.warning("notification given up", alerts=digest.count)
                return
            await asyncio.sleep(pause)

    async def _attempt(self, digest: Digest, age_seconds: float) -> Sent:
        """How many addresses took it; a failure is logged once, until a digest is sent again."""
        late = f"\n{self._translator.text('alert.late', age=age_seconds)}" if age_seconds > _LATE_SECONDS else ""
        try:
            result = await send(
                self._addresses,
                title=self._translator.text("doctor.test_title", host=socket.gethostname()),
                text=digest.text + late,
                severity=digest.severity,
            )
            reason = f"{result.failed} addresses failed, {result.unknown} are unknown to Apprise"
        except (StreamerError, OSError) as error:
            result, reason = Sent(sent=0, failed=len(self._addresses), unknown=0), str(error)
        if result.sent:
            log.info("notification sent", alerts=digest.count, sent=result.sent)
        if (result.failed or result.unknown) and not self._failing:
            self._failing = not result.sent
            log.warning("notification not sent", reason=reason, remedy="run: tg-video-streamer doctor")
        return result
