"""When a list that was expanded (channel, playlist, folder) is due to be read again; pure but for the clock."""

from __future__ import annotations

from collections.abc import Iterable

from tg_video_streamer.clock import Clock

REFRESH_SECONDS = 1800.0
AGAIN_SECONDS = 300.0
"""A list of which only what it last held is known is asked again so soon."""


class RefreshSchedule:
    """Remembers when each list was read, and names one at a time that is due."""

    def __init__(self, clock: Clock, *, every_seconds: float = REFRESH_SECONDS) -> None:
        """`every_seconds`: how old a list may grow."""
        self._clock = clock
        self._every = every_seconds
        self._tried: dict[str, float] = {}

    def tried(self, key: str) -> None:
        """The list was read, or reading it failed; either way its next turn is a whole period away."""
        self._tried[key] = self._clock.monotonic()

    def recalled(self, key: str) -> None:
        """The list does not answer, and what is remembered of it is played."""
        self._tried[key] = self._clock.monotonic() - self._every + AGAIN_SECONDS

    def touch(self, key: str) -> None:
        """The list is known to have changed (a folder on disk): it is due now."""
        self._tried.pop(key, None)

    def due(self, keys: Iterable[str]) -> str | None:
        """The list among `keys` (those that the rotation knows now) that is due longest; None where none is."""
        known = list(keys)
        self._tried = {key: self._tried[key] for key in known if key in self._tried}
        now = self._clock.monotonic()
        never = now - self._every
        oldest = min(known, key=lambda key: self._tried.get(key, never), default=None)
        return oldest if oldest is not None and now - self._tried.get(oldest, never) >= self._every else None
