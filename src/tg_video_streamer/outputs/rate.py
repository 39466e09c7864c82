"""How much an output has sent, and how fast it sends now."""

from __future__ import annotations

import threading
from collections import deque

from tg_video_streamer.clock import Clock
from tg_video_streamer.outputs.adapter import Adapter

_WINDOW_SECONDS = 5.0


class Rate:
    """Bytes over all connections of an output; updated by its thread, read by any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._adapter: Adapter | None = None
        self._before = 0
        self._samples: deque[tuple[float, int]] = deque([(clock.monotonic(), 0)])
        self.total = 0
        """Bytes sent since the output was made."""

    def connection(self, adapter: Adapter) -> None:
        """A new connection, which counts from 0."""
        with self._lock:
            self._before = self.total
            self._adapter = adapter

    def update(self) -> None:
        """Look what the connection has sent."""
        with self._lock:
            if self._adapter is not None:
                self.total = self._before + self._adapter.bytes_sent
            now = self._clock.monotonic()
            # A sample a slice would be more than is needed: four a second are enough.
            if now - self._samples[-1][0] >= 0.25:
                self._samples.append((now, self.total))
                self._forget(now)

    def bits_per_second(self) -> float:
        """Over the last five seconds."""
        with self._lock:
            now = self._clock.monotonic()
            self._forget(now)
            then, sent = self._samples[0]
            return (self.total - sent) * 8 / max(now - then, 1.0)

    def _forget(self, now: float) -> None:
        # The last sample that is older than the window stays: the rate is measured from it.
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW_SECONDS:
            self._samples.popleft()
