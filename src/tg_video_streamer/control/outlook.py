"""What will be on air, as far as that is known, and what the library holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tg_video_streamer.display_text import show

if TYPE_CHECKING:
    # The commands name these values, and the command line must not wait for the library.
    from tg_video_streamer.library.library import Library

_LARGEST = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ComingItem:
    """One coming item; `starts_wall` is None from where a length before it is unknown."""

    key: str
    title: str
    starts_wall: float | None
    duration_seconds: float | None

    def __post_init__(self) -> None:
        show(self, "key", "title")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEncode:
    """One cached encode."""

    title: str
    bytes: int
    seconds: float
    plays: int
    played_wall: float
    created_wall: float

    def __post_init__(self) -> None:
        show(self, "title")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredLibrary:
    """The library as storage: what it takes, and what it saves; empty without one."""

    bytes: int = 0
    max_bytes: int = 0
    encodes: int = 0
    seconds: float = 0.0
    """How long all of them play."""
    hits: int = 0
    """Plays since the start that cost no encode."""
    misses: int = 0
    largest: tuple[StoredEncode, ...] = ()

    @property
    def bytes_per_hour(self) -> float:
        """0 while it is empty."""
        return self.bytes / self.seconds * 3600 if self.seconds else 0.0


def stored(library: Library | None) -> StoredLibrary:
    """What `library` holds now; reads its index, so call it in a thread."""
    if library is None:
        return StoredLibrary()
    encodes = library.encodes()
    largest = sorted(encodes, key=lambda one: -one.bytes)[:_LARGEST]
    return StoredLibrary(
        bytes=sum(one.bytes for one in encodes),
        max_bytes=library.max_bytes,
        encodes=len(encodes),
        seconds=sum(one.seconds for one in encodes),
        hits=library.hits,
        misses=library.misses,
        largest=tuple(
            StoredEncode(
                title=one.title,
                bytes=one.bytes,
                seconds=one.seconds,
                plays=one.plays,
                played_wall=one.played_wall,
                created_wall=one.created_wall,
            )
            for one in largest
        ),
    )
