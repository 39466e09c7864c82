"""Paces the live stream's title: it follows the item on air, no faster than Telegram allows; pure."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST = 64
"""Characters that Telegram allows in the title of a video chat (TDLib: setVideoChatTitle)."""
PAUSE_SECONDS = 30.0


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

    def want(self, title: str) -> None:
        """An item of this title went on air."""
        self.wanted = fitting(title)

    def due(self, now: float) -> str:
        """The title to set at `now`; empty where there is none to set, or not yet."""
        return self.wanted if self.wanted != self.shown and now >= self.not_before else ""

    def set(self, title: str, now: float) -> None:
        """Telegram has it."""
        self.shown = title
        self.not_before = now + self.pause_seconds

    def refused(self, now: float, seconds: float = 0.0) -> None:
        """Telegram did not take it; it is tried again after the pause, or after the `seconds` that Telegram named."""
        self.not_before = now + max(self.pause_seconds, seconds)
