"""What one thing to play is: a value that carries its identity through the whole service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LocatorKind(StrEnum):
    """How an item's locator is to be understood."""

    FILE = "file"
    """An absolute path, checked to lie in an allowed folder."""
    URL = "url"
    """http or https; what is behind it only the resolver knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing to play. Two items with the same `key` are the same for positions, shuffling and quarantine."""

    key: str
    """Stable over edits and restarts: a digest of locator, start and end (16 hexadecimal digits)."""
    kind: LocatorKind
    locator: str
    title: str = ""
    """The operator's, or empty: then the resolver's, or the file's name."""
    start_seconds: float = 0.0
    end_seconds: float | None = None
    volume: float = 1.0
    """A factor on the normalised loudness, 0 to 4."""
