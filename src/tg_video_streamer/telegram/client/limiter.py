"""A limit on connections to Telegram: so many a minute, with pauses that grow while they fail."""

from __future__ import annotations

from collections import deque

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock


class ConnectionLimiter:
    """Says when the next connection may be tried; one is shared by everything in the process that connects."""

    def __init__(
        self,
        clock: Clock,
        *,
        attempts_per_minute: int = 10,
        pauses: Backoff | None = None,
        steady_seconds: float = 30.0,
    ) -> None:
        """`pauses` grow with each failure in a row; a connection that lives for `steady_seconds` ends the row."""
        self._clock = clock
        self._limit = attempts_per_minute
        self._pauses = pauses or Backoff(first=0.5, longest=30.0)
        self._steady_seconds = steady_seconds
        self._attempts: deque[float] = deque(maxlen=attempts_per_minute)
        self._failures = 0
        self._connected_at: float | None = None
        self._free_at = 0.0

    def pause(self) -> float:
        """Seconds until the next attempt is allowed; 0 for now."""
        now = self._clock.monotonic()
        wait = self._free_at - now
        if len(self._attempts) == self._limit:
            wait = max(wait, self._attempts[0] + 60.0 - now)
        return max(0.0, wait)

    def attempt(self) -> None:
        """Count an attempt that begins now."""
        self._attempts.append(self._clock.monotonic())

    def connected(self) -> None:
        """The attempt led to a session that answers."""
        self._connected_at = self._clock.monotonic()

    def lost(self) -> None:
        """The attempt failed, or the connection broke: a short life counts as a failure."""
        now = self._clock.monotonic()
        steady = self._connected_at is not None and now - self._connected_at >= self._steady_seconds
        self._connected_at = None
        self._failures = 0 if steady else self._failures + 1
        self._free_at = now + self._pauses.pause(self._failures)
