"""The resolver's answer: where an item is now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tg_video_streamer.display_text import show
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.growing import GrowingFile


class Fetcher(StrEnum):
    """What downloads the bytes of an input."""

    YTDLP = "yt-dlp"
    TELEGRAM = "telegram"


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """How the bytes of one input are downloaded ahead of need."""

    fetcher: Fetcher
    request: str = field(repr=False)
    """What its fetcher needs, as JSON. Secret: it holds signed URLs and cookies."""
    suffix: str
    """Of the file, without the dot: mp4, webm, m4a."""
    size_bytes: int | None = None
    """As the source states exactly; None where it only estimates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaInput:
    """One input for ffmpeg: a file path, or a URL with its request headers."""

    location: str = field(repr=False)
    """Absolute path, or URL; empty where only `download` can read it. Secret: signed URLs stay out of logs and command
    lines."""
    is_file: bool
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Request headers, cookies included. Secret."""
    has_video: bool = True
    has_audio: bool = True
    """What it is used for: separate formats have one of the two; both are True if only a probe can tell."""
    is_manifest: bool = False
    """A local HLS manifest whose references were checked: only then its files are opened."""
    received: bool = False
    """It is read over one connection, which serves the probe and the playback: a live feed takes no second visitor."""
    request_bytes: int = 0
    """The site wants to be asked for so many bytes at a time, else it is slow; 0 where it does not matter."""
    states_length: bool | None = None
    """Whether its server states how long the body is; else the end of the body is the end. None: it was not asked."""
    whole_only: bool = False
    """An MP4 whose index is at its end, on a server that sends no parts: only a whole download of it can be read."""
    public_only: bool = False
    """Redirects may lead to public addresses only; checked for `received` ones, at each connection."""
    download: Download | None = field(default=None, compare=False)
    """None for a file and for what is live. Not compared: its cookies and times differ with each answer."""
    growing: GrowingFile | None = field(default=None, compare=False)
    """Of a file that is still being written; it is read through a pipe that waits at its edge."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """The inputs of one item."""

    inputs: tuple[MediaInput, ...]
    title: str = ""
    source_id: str = ""
    """Extractor and id ("youtube abc"), or path, size and mtime: equal for equal content."""
    duration_seconds: float | None = None
    is_live: bool = False
    expires_wall: float | None = None
    """When the signed URLs stop working, in seconds since 1970; None if they do not state it."""
    subtitle_files: tuple[str, ...] = ()
    """Paths of subtitle files next to a local file."""
    proxy: str = field(default="", repr=False)
    """The proxy that resolved it, or empty: sites bind URLs to the client's address. May hold a password."""

    def __post_init__(self) -> None:
        show(self, "title")

    @property
    def is_file(self) -> bool:
        """Whether all inputs are local files with all of their bytes."""
        return all(one.is_file and one.growing is None for one in self.inputs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Expansion:
    """The children of an item that is a list (playlist, channel), in order; each is resolved when it plays."""

    children: tuple[Item, ...]
    title: str = ""

    def __post_init__(self) -> None:
        show(self, "title")


Resolve = Callable[[Item], Awaitable[Media | Expansion]]
"""Finds where an item is now. Raises ResolveError."""
