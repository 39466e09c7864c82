"""Paces the live stream's title: it follows the item on air, no faster than Telegram allows; pure."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST = 64
"""Characters that Telegram allows in the title of a video chat (TDLib: setVideoChatTitle)."""
PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 600.0
"""Between two titles where one after the other is refused."""


def fitting(title: str) -> str:
    """`title` in one line that Telegram takes; empty where nothing of it is left."""
    line = " ".join(title.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1].rstrip()}…"


@dataclass(kw_only=True, slots=True)
class TitlePacer:
    """The title to show and the one that is shown; the last of several counts."""

    pause_seconds: float = PAUSE_SECONDS
    wanted: str = ""
    shown: str = ""
    not_before: float = 0.0
    _passed_over: str = ""
    """The title that Telegram refused last."""
    _refusals: int = 0
    """In a row."""

    def want(self, title: str) -> None:
        """An item of this title went on air."""
        self.wanted = fitting(title)

    def due(self, now: float) -> str:
        """The title to set at `now`; empty where there is none to set, or not yet."""
        fresh = self.wanted not in {self.shown, self._passed_over}
        return self.wanted if fresh and now >= self.not_before else ""

    def set(self, title: str, now: float) -> None:
        """Telegram has it."""
        self.shown, self._passed_over, self._refusals = title, "", 0
        self.not_before = now + self.pause_seconds

    def delayed(self, now: float, seconds: float) -> None:
        """Telegram could not be asked; it is tried again after the pause, or after the `seconds` that Telegram named."""
        self.not_before = now + max(self.pause_seconds, seconds)

    def refused(self, now: float) -> bool:
        """Telegram refused this title, which is passed over; the next ones are tried, ever more slowly.

        Returns whether it is the first in a row.
        """
        self._passed_over = self.wanted
        pause = self.pause_seconds * 2.0 ** min(self._refusals, 10)
        self.not_before = now + min(pause, max(self.pause_seconds, LONGEST_PAUSE_SECONDS))
        self._refusals += 1
        return self._refusals == 1
