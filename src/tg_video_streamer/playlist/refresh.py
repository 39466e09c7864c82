"""When an expanded list (channel, playlist, folder) is read again; pure but for the clock."""

from __future__ import annotations

from collections.abc import Iterable

from tg_video_streamer.clock import Clock

REFRESH_SECONDS = 1800.0
UNREACHABLE_SECONDS = 300.0
"""When a list that does not answer is tried again."""


class RefreshSchedule:
    """Remembers when each list was read, and returns the most outdated one."""

    def __init__(self, clock: Clock, *, every_seconds: float = REFRESH_SECONDS) -> None:
        """`every_seconds`: the longest age of a list."""
        self._clock = clock
        self._every = every_seconds
        self._tried: dict[str, float] = {}

    def tried(self, key: str) -> None:
        """The list was read, or reading it failed: its next turn is a whole period away."""
        self._tried[key] = self._clock.monotonic()

    def recalled(self, key: str) -> None:
        """The list does not answer, and its last known items play."""
        self._tried[key] = self._clock.monotonic() - self._every + UNREACHABLE_SECONDS

    def next_stale(self, keys: Iterable[str]) -> str | None:
        """The most outdated list of `keys` (those that the rotation knows now); None where none is outdated."""
        known = list(keys)
        self._tried = {key: self._tried[key] for key in known if key in self._tried}
        now = self._clock.monotonic()
        never = now - self._every
        oldest = min(known, key=lambda key: self._tried.get(key, never), default=None)
        return oldest if oldest is not None and now - self._tried.get(oldest, never) >= self._every else None
