"""File names as lists write them and as people read them: percent-encoded, in another charset, composed or not."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from tg_video_streamer.display_text import DisplayText


def shown(name: str) -> DisplayText:
    """A name from the disk as text that can be written anywhere: names are bytes, and not all of them are UTF-8."""
    return DisplayText(name)


def existing_path(path: str) -> str | None:
    """The file or folder that a line means by `path`: as it is written, or as players and editors write it."""
    return next((found for found in _spellings(path) if _exists(found)), None)


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False  # a zero byte


def _spellings(path: str) -> Iterator[str]:
    yield path
    if (plain := unquote(path, errors="surrogateescape")) != path:
        yield os.path.normpath(plain)
    if path.isascii():
        return
    yield unicodedata.normalize("NFC", path)
    yield unicodedata.normalize("NFD", path)
    for charset in ("cp1251", "cp1252"):
        try:
            yield os.fsdecode(path.encode(charset))
        except UnicodeEncodeError:
            continue
