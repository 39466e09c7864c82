"""Says whether this host may send now: asked before each slice, from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Monotonic = Callable[[], float]


def running_seconds() -> float:
    """A clock that also runs while the host is suspended, as CLOCK_MONOTONIC does not (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseGuard:
    """Holds one number, which the loop moves and every sender compares.

    Once a sender was refused, it is closed for good: the sender has ended, and the lease must end with it.
    """

    def __init__(self, now: Monotonic = running_seconds) -> None:
        """Closed until it is extended."""
        self._now = now
        self._deadline = float("-inf")
        self._lock = threading.Lock()
        self._closed = False

    def may_send(self) -> bool:
        """Whether the lease is held at this moment. A process that was frozen finds out before it sends."""
        if self._now() < self._deadline:
            return True
        with self._lock:
            # The loop may have moved it just now.
            if self._now() < self._deadline:
                return True
            self._closed = self._closed or self._deadline > float("-inf")
        return False

    def extend(self, deadline: float) -> None:
        """Allow sending until `deadline`; without effect once it was closed."""
        with self._lock:
            if not self._closed:
                self._deadline = deadline

    def close(self) -> None:
        """Forbid it for good."""
        with self._lock:
            self._closed, self._deadline = True, float("-inf")
