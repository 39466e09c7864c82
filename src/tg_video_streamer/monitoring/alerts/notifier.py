"""The notifier: hears the bus, and one worker sends what is worth it, off the hot path and silent when it fails."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from itertools import chain, repeat

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.events import Event
from tg_video_streamer.monitoring.alerts.evaluator import AlertEvaluator
from tg_video_streamer.monitoring.alerts.message import Kind, Message, duration_text
from tg_video_streamer.monitoring.alerts.outbox import Batch, Outbox
from tg_video_streamer.monitoring.alerts.send import Sent, send

log = structlog.get_logger(__name__)

RETRY_PAUSES = (30.0, 120.0, 600.0)
"""After a try that reached nobody, the last one again and again: what takes the outputs down takes the message too."""
GIVE_UP_SECONDS = 24 * 3600.0
_LATE_SECONDS = 60.0

Redact = Callable[[str], str]


class Notifier:
    """Made in the event loop's thread; without addresses it does nothing at all."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        after_seconds: float,
        clock: Clock,
        redact: Redact,
        retry_pauses: Sequence[float] = RETRY_PAUSES,
        give_up_seconds: float = GIVE_UP_SECONDS,
    ) -> None:
        """`redact` masks every secret that the service knows; a message is tried for `give_up_seconds`."""
        self._addresses = tuple(addresses)
        self._clock = clock
        self._redact = redact
        self._retry_pauses = tuple(retry_pauses)
        self._give_up_seconds = give_up_seconds
        self._judge = AlertEvaluator(after_seconds=after_seconds)
        self._outbox = Outbox()
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._failing = False

    def notify(self, text: str, *, topic: str, kind: Kind = Kind.WARNING) -> None:
        """Tell people `text`, with the one command that helps in it; callable from any thread, returns at once.

        `topic` is a word for what it is about. The same words on a topic are told once a day; what comes in a burst is
        summed up; addresses and secrets are taken out.
        """
        if self._addresses and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, [Message(topic=topic, kind=kind, text=text)])

    def on_event(self, event: Event) -> None:
        """AlertEvaluator one event; subscribe this to the event bus."""
        if self._addresses:
            self._put(self._judge.heard(event, self._clock.monotonic()))

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        if not self._addresses:
            await asyncio.Event().wait()
        while True:
            self._changed.clear()
            now = self._clock.monotonic()
            for message in self._judge.due(now):
                self._outbox.put(self._masked(message), now)
            batch = self._outbox.take(now)
            if batch is not None:
                await self._deliver(batch)
                continue
            await self._wait(now)

    def _put(self, messages: Sequence[Message]) -> None:
        now = self._clock.monotonic()
        for message in messages:
            self._outbox.put(self._masked(message), now)
        # Whatever was heard may have changed when something is due.
        self._changed.set()

    def _masked(self, message: Message) -> Message:
        return Message(topic=message.topic, kind=message.kind, text=self._redact(message.text))

    async def _wait(self, now: float) -> None:
        times = [due for due in (self._judge.next_due(), self._outbox.next_due()) if due is not None]
        try:
            async with asyncio.timeout(max(0.0, min(times) - now) if times else None):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _deliver(self, batch: Batch) -> None:
        """Send it to everybody; again where it reached nobody, while what comes meanwhile is collected."""
        began = self._clock.monotonic()
        for pause in chain(self._retry_pauses, repeat(self._retry_pauses[-1])):
            result = await self._try(batch, self._clock.monotonic() - began)
            if result.sent:
                self._failing = False
                return
            # Addresses of which none can be read are no better next time.
            hopeless = result.unknown and not result.failed
            if hopeless or self._clock.monotonic() - began + pause > self._give_up_seconds:
                log.warning("notification given up", things=batch.count)
                return
            await asyncio.sleep(pause)

    async def _try(self, batch: Batch, age_seconds: float) -> Sent:
        """Whom it reached; why it reached nobody is logged once, until it reaches somebody again."""
        late = f"\n(told late: this was {duration_text(age_seconds)} ago)" if age_seconds > _LATE_SECONDS else ""
        try:
            result = await send(
                self._addresses,
                title=f"tg-video-streamer on {socket.gethostname()}",
                text=batch.text + late,
                kind=batch.kind,
            )
            reason = f"{result.failed} addresses did not take it, {result.unknown} are none that Apprise knows"
        except (StreamerError, OSError) as error:
            result, reason = Sent(sent=0, failed=len(self._addresses), unknown=0), str(error)
        if result.sent:
            log.info("notification sent", things=batch.count, sent=result.sent)
        if (result.failed or result.unknown) and not self._failing:
            self._failing = not result.sent
            log.warning("notification not sent", reason=reason, remedy="run: tg-video-streamer doctor")
        return result
