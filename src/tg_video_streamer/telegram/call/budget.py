"""How often a video chat may be joined: at once after a first loss, then more and more rarely, and as Telegram asks; pure."""

from __future__ import annotations

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter

JOINS_PER_MINUTE = 8
"""A guess on the safe side: what Telegram allows is not documented, and going over it costs minutes of FLOOD_WAIT."""
_STEADY_SECONDS = 60.0


class JoinBudget:
    """The same counting as for connections, and a FLOOD_WAIT on top that nothing shortens."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiter = ConnectionLimiter(
            clock,
            attempts_per_minute=JOINS_PER_MINUTE,
            pauses=Backoff(first=0.25, longest=60.0),
            steady_seconds=_STEADY_SECONDS,
        )
        self._flood_until = 0.0

    def pause(self) -> float:
        """Seconds until the next join is allowed; 0 for now."""
        return max(self._limiter.pause(), self._flood_until - self._clock.monotonic(), 0.0)

    def attempt(self) -> None:
        """A join begins now."""
        self._limiter.attempt()

    def joined(self) -> None:
        """It worked."""
        self._limiter.connected()

    def lost(self) -> None:
        """It failed, or what it brought is over."""
        self._limiter.lost()

    def flooded(self, seconds: float) -> None:
        """Telegram asked to wait so long."""
        self._flood_until = max(self._flood_until, self._clock.monotonic() + seconds)
