"""Parses a playlist text into entries and problems; plain lists and M3U share one grammar; pure."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass

from tg_video_streamer.display_text import decoded
from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.line import parse_line

_MANIFEST = re.compile(r"^#EXT-X-(?:STREAM-INF|TARGETDURATION|MEDIA-SEQUENCE|MEDIA|I-FRAME-STREAM-INF)\b", re.MULTILINE)
_SAMPLE_CHARACTERS = 65536
_SUSPICIOUS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_UNDECODED = re.compile(r"[\ud800-\udfff]")
_SUSPICIOUS_SHARE = 0.03


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An item and the line (from 1) that named it."""

    line: int
    item: Item


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A line that was left out, and why with its remedy; line 0 is the whole file."""

    line: int
    what: Message

    @property
    def message(self) -> Message:
        """The problem with its line."""
        return Message.of("line.problem", line=self.line, problem=self.what) if self.line else self.what

    def __str__(self) -> str:
        return self.message.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Playlist:
    """The content of a playlist file; an empty one is no error."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def items(self) -> tuple[Item, ...]:
        """The items in the order of their lines."""
        return tuple(entry.item for entry in self.entries)


def decode(data: bytes) -> str:
    """`data` as text without a byte order mark; each line that is not UTF-8 is read in the charset that it seems to be in.

    Raises PlaylistError where this is no text (a video, an archive, another encoding).
    """
    text = data.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape")
    if _UNDECODED.search(text):
        text = "\n".join(decoded(line) for line in data.removeprefix(BOM_UTF8).split(b"\n"))
    sample = text[:_SAMPLE_CHARACTERS]
    if len(_SUSPICIOUS.findall(sample)) > len(sample) * _SUSPICIOUS_SHARE:
        raise PlaylistError.of("list.binary")
    return text


def is_manifest(text: str) -> bool:
    """Whether this is an HLS manifest (one live or recorded item, RFC 8216) rather than a list of items."""
    return text.lstrip().startswith("#EXTM3U") and _MANIFEST.search(text) is not None


def parse(text: str, *, base: str, allowed: AllowedFolders) -> Playlist:
    """Entries and problems of a list; `base` is the absolute folder of relative paths.

    `#EXTINF:seconds,title` names the next entry, every other line with `#` is a comment. CR, LF and CRLF end lines.
    """
    entries: list[Entry] = []
    problems: list[Problem] = []
    title = ""
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        line = raw.strip(" \t\ufeff")
        if not line:
            continue
        if line.startswith("#"):
            if line.startswith("#EXTINF:"):
                title = announced_title(line)
            continue
        try:
            entries.append(Entry(line=number, item=parse_line(line, base=base, allowed=allowed, title=title)))
        except PlaylistError as error:
            problems.append(Problem(line=number, what=error.full_message))
        title = ""
    return Playlist(entries=tuple(entries), problems=tuple(problems))


def announced_title(line: str) -> str:
    """The title of `#EXTINF:123 tvg-id="a,b",Some title`: what follows the first comma outside double quotes."""
    quoted = False
    for index, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            title = line[index + 1 :].strip()
            return title if title.isprintable() else ""
    return ""
