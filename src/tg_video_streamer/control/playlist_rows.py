"""The playlist as rows of a table: each entry with what is known about it."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.control.status import WarningAction
from tg_video_streamer.display_text import show
from tg_video_streamer.locales.message import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaylistRow:
    """One entry; what is unknown is None or empty."""

    line: int
    text: str
    """The line as it stands in the file."""
    title: str
    key: str = ""
    """Empty where the line cannot play."""
    kind: str = ""
    """As in LocatorKind."""
    duration_seconds: float | None = None
    cached: bool = False
    """Its encode is in the library."""
    spool: str = ""
    """As in SpoolState; empty where it is not in the spool."""
    last_wall: float | None = None
    """When it was last on air."""
    next_wall: float | None = None
    """When it is expected to be on air next, where all lengths before it are known."""
    next_place: int | None = None
    """How many items play before it."""
    on_air: bool = False
    audio: str = ""
    subtitles: str = ""
    problem: Message | None = None
    actions: tuple[WarningAction, ...] = ()

    def __post_init__(self) -> None:
        show(self, "title", "text")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaylistRows:
    """A part of the table, and the version of the text that it was read from."""

    rows: tuple[PlaylistRow, ...]
    found: int
    """How many entries have the words."""
    entries: int
    next_line: int
    """The line of the entry that follows the last row in the file; 0 where that is the end."""
    version: str
    can_undo: bool
