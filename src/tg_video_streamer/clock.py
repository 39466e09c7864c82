"""The clock that is passed in: the system's for the service, a virtual one for tests of months."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock and the wall clock."""

    def monotonic(self) -> float:
        """Seconds that never go back and know no date; everything that is paced or timed out uses these."""

    def wall(self) -> float:
        """Seconds since 1970 as the host believes; only for logs, records and the expiry of URLs."""


class SystemClock:
    """The host's own clocks."""

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    def wall(self) -> float:
        """See Clock."""
        return time.time()
