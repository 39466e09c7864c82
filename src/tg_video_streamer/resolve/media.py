"""Where an item is right now, as the resolver found it: plain data that a feed can be started from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tg_video_streamer.playlist.item import Item


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaInput:
    """One thing that ffmpeg opens: a file path or a (perhaps signed) URL with what must be sent along."""

    location: str = field(repr=False)
    """Absolute path, or http(s) URL. Secret: signed URLs stay out of logs and command lines."""
    is_file: bool
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Request headers, cookies included. Secret."""
    has_video: bool = True
    has_audio: bool = True
    """What it is read for: separate formats have one of the two; where unknown both are True and probing decides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """What an item resolved to."""

    inputs: tuple[MediaInput, ...]
    title: str = ""
    source_id: str = ""
    """Extractor and id ("youtube abc"), or path, size and mtime: the same content has the same one."""
    duration_seconds: float | None = None
    is_live: bool = False
    expires_wall: float | None = None
    """When the signed URLs stop working, in seconds since 1970; None where they carry no expiry."""
    proxy: str = field(default="", repr=False)
    """Through what it was resolved, empty for nothing: sites bind URLs to the address that asked. May hold a password."""

    @property
    def is_file(self) -> bool:
        """Whether nothing of it comes over the network."""
        return all(one.is_file for one in self.inputs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Expansion:
    """The item is a list (playlist, channel): its children, in order, each resolved in its own turn."""

    children: tuple[Item, ...]
    title: str = ""


Resolve = Callable[[Item], Awaitable[Media | Expansion]]
"""Finds where an item is now. Raises ResolveError."""
