"""The state of the spool, for status, page and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.item import Item


@dataclass(kw_only=True, slots=True)
class SpoolCounts:
    """Since the start of the service."""

    downloads: int = 0
    """Items that became whole."""
    failures: int = 0
    """Attempts that failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadReport:
    """The download that runs now."""

    item: Item
    title: str
    """As the source says; empty if it does not."""
    have_bytes: int
    whole_bytes: int | None
    bytes_per_second: float

    @property
    def percent(self) -> int | None:
        """How much is there; None while the size is unknown."""
        return None if not self.whole_bytes else min(100, 100 * self.have_bytes // self.whole_bytes)

    @property
    def ready_seconds(self) -> float | None:
        """Until it is whole; None where that is unknown."""
        if not self.whole_bytes or self.bytes_per_second <= 0:
            return None
        return max(0.0, (self.whole_bytes - self.have_bytes) / self.bytes_per_second)


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoolReport:
    """The spool at one moment."""

    used_bytes: int
    max_bytes: int
    ready_items: int
    problem: Message | None
    download: DownloadReport | None
    counts: SpoolCounts
