"""Limits how often something may happen, by name: so many times in so many seconds."""

from __future__ import annotations

from collections import OrderedDict, deque

from tg_video_streamer.clock import Clock

_MOST_NAMES = 10_000
"""Names that are remembered; the longest unseen is forgotten first, so that a crowd costs no memory."""


class RateLimit:
    """A sliding window for each name."""

    def __init__(self, clock: Clock, *, times: int, seconds: float) -> None:
        self._clock = clock
        self._times = times
        self._seconds = seconds
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def allows(self, name: str = "") -> bool:
        """Whether `name` may once more; if so, it counts."""
        now = self._clock.monotonic()
        times = self._seen.setdefault(name, deque())
        self._seen.move_to_end(name)
        while len(self._seen) > _MOST_NAMES:
            self._seen.popitem(last=False)
        while times and now - times[0] >= self._seconds:
            times.popleft()
        if len(times) >= self._times:
            return False
        times.append(now)
        return True
