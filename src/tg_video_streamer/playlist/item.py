"""What one thing to play is: a value that carries its identity through the whole service."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class LocatorKind(StrEnum):
    """How an item's locator is to be understood."""

    FILE = "file"
    """An absolute path that lies in an allowed folder: a media file, a folder, a list or an HLS manifest."""
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
    public_only: bool = False
    """It came from somebody who may not reach this host's own network: it may lead to public addresses only."""


def item_key(locator: str, start_seconds: float = 0.0, end_seconds: float | None = None) -> str:
    """The `key` of an item with this locator and these bounds."""
    bounds = (
        f"\n{float(start_seconds)}\n{float(end_seconds)}" if end_seconds is not None else f"\n{float(start_seconds)}"
    )
    return hashlib.blake2b((locator + bounds).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def make_item(
    kind: LocatorKind,
    locator: str,
    *,
    title: str = "",
    start_seconds: float = 0.0,
    end_seconds: float | None = None,
    volume: float = 1.0,
    public_only: bool = False,
) -> Item:
    """An item with its key computed; the only way in which the service makes one."""
    return Item(
        key=item_key(locator, start_seconds, end_seconds),
        kind=kind,
        locator=locator,
        title=title,
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        volume=volume,
        public_only=public_only,
    )
