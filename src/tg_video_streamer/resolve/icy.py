"""Takes the titles out of the stream of an Icecast or SHOUTcast server; pure.

Every so many bytes of media one byte says how many blocks of 16 bytes of text follow: `StreamTitle='Artist - Song';`.
"""

from __future__ import annotations

import re

from tg_video_streamer.display_text import DisplayText

_TITLE = re.compile(rb"StreamTitle='(.*?)';(?:\w+=|\x00|$)", re.DOTALL)
_BLOCK = 16
_LONGEST = 200
_CYRILLIC = frozenset({0xA8, 0xB8, *range(0xC0, 0x100)})
_WORD = re.compile(rb"[\x80-\xff]{3,}")


class IcyTitles:
    """One stream; `interval`: bytes of media between two texts (icy-metaint)."""

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._media_left = interval
        self._text_left = 0
        self._text = bytearray()
        self._last: str | None = None

    def take(self, data: bytes) -> tuple[bytes, str | None]:
        """The media in `data`, and the title where it has changed; empty: there is none now."""
        media = bytearray()
        changed: str | None = None
        at = 0
        while at < len(data):
            if self._text_left:
                part = data[at : at + self._text_left]
                self._text += part
                self._text_left -= len(part)
                at += len(part)
                if not self._text_left:
                    changed = self._title(changed)
            elif self._media_left:
                part = data[at : at + self._media_left]
                media += part
                self._media_left -= len(part)
                at += len(part)
            else:
                self._text_left = data[at] * _BLOCK
                self._text.clear()
                self._media_left = self._interval
                at += 1
        return bytes(media), changed

    def _title(self, changed: str | None) -> str | None:
        found = _TITLE.search(bytes(self._text))
        if found is None:
            return changed
        title = decoded_title(found[1])
        if title == self._last:
            return changed
        self._last = title
        return title


def decoded_title(data: bytes) -> str:
    """A title in UTF-8, or as older stations write: in Windows-1251 where its words are Cyrillic, else in Latin-1."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        words = b"".join(_WORD.findall(data))
        cyrillic = bool(words) and all(byte in _CYRILLIC for byte in words)
        text = data.decode("cp1251" if cyrillic else "latin-1", "replace")
    return DisplayText(text)[:_LONGEST]
