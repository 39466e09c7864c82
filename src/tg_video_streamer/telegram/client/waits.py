"""The waits that Telegram asked for (FLOOD_WAIT), by method: until the end of one, the method is not sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import FloodWait
from tg_video_streamer.locales.message import Message

LONGEST_SECONDS = 86_400.0
"""No wait of an earlier process counts for longer."""
WORTH_SAVING_SECONDS = 5.0
"""A shorter one is over before a restart has asked."""


class FloodWaits:
    """One for everything in the process that asks with the same session; outlives its connections, and a restart."""

    def __init__(
        self,
        clock: Clock,
        *,
        saved: Mapping[str, float] = MappingProxyType({}),
        save: Callable[[dict[str, float]], None] = lambda _ends: None,
    ) -> None:
        """`saved`: the ends of an earlier process's waits by method, in seconds since 1970; `save` is given all that are open."""
        self._clock = clock
        self._save = save
        self._waits: dict[str, tuple[float, Message]] = {}
        """By method: the end by the monotonic clock, and the text that names it, which stays the same until then."""
        for method, end in saved.items():
            # A clock that was set back meanwhile must not silence a method for ever.
            left = min(end - clock.wall(), LONGEST_SECONDS)
            if left > 0:
                self._waits[method] = (clock.monotonic() + left, _text(method, clock.wall() + left))

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
            self._waits[method] = (until, _text(method, self._clock.wall() + wait.seconds))
            if wait.seconds >= WORTH_SAVING_SECONDS:
                self._save(self._ends())
        return FloodWait(self._waits[method][1], seconds=wait.seconds)

    def _ends(self) -> dict[str, float]:
        now, wall = self._clock.monotonic(), self._clock.wall()
        return {method: round(wall + until - now, 1) for method, (until, _) in self._waits.items() if until > now}


def _text(method: str, end_wall: float) -> Message:
    end = datetime.fromtimestamp(end_wall, UTC)
    return Message.of("telegram.wait_until", method=method, end=f"{end:%Y-%m-%d %H:%M:%S} UTC")
