"""The waits that Telegram asked for (FLOOD_WAIT), by method: until the end of one, the method is not sent."""

from __future__ import annotations

from datetime import UTC, datetime

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import FloodWait
from tg_video_streamer.locales.message import Message


class FloodWaits:
    """One for everything in the process that asks with the same session; outlives its connections."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits: dict[str, tuple[float, Message]] = {}
        """By method: the end by the monotonic clock, and the text that names it, which stays the same until then."""

    def check(self, method: str) -> None:
        """Raise FloodWait with the rest of the wait, where `method` has to wait."""
        until, text = self._waits.get(method, (0.0, None))
        left = until - self._clock.monotonic()
        if text is not None and left > 0:
            raise FloodWait(text, seconds=left)
        self._waits.pop(method, None)

    def asked(self, method: str, wait: FloodWait) -> FloodWait:
        """Telegram answered `method` with `wait`: the error to raise, which names the method and the end."""
        until = self._clock.monotonic() + wait.seconds
        if until > self._waits.get(method, (0.0,))[0]:
            end = datetime.fromtimestamp(self._clock.wall() + wait.seconds, UTC)
            text = Message.of("telegram.wait_until", method=method, end=f"{end:%Y-%m-%d %H:%M:%S} UTC")
            self._waits[method] = (until, text)
        return FloodWait(self._waits[method][1], seconds=wait.seconds)
