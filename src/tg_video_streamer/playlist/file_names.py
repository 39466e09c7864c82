"""File names as lists write them and as people read them: percent-encoded, in another charset, composed or not."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

_HIGH = re.compile(rb"[\x80-\xff]")
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
_CYRILLIC_SHARE = 0.6
"""In Cyrillic words nearly all letters are high bytes, in Western ones a few."""


def charset_of(data: bytes) -> str:
    """The charset of a line or name that is not UTF-8: that of Cyrillic or of Western Windows."""
    words = [word for word in _WORD.findall(data) if _HIGH.search(word)]
    letters = sum(map(len, words))
    high = sum(len(_HIGH.findall(word)) for word in words)
    return "cp1251" if letters and high / letters >= _CYRILLIC_SHARE else "cp1252"


def decoded(data: bytes) -> str:
    """A line or name as text: UTF-8, or else the charset that it seems to be in."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(charset_of(data), "replace")


def shown(name: str) -> str:
    """A name from the disk as text that can be written anywhere: names are bytes, and not all of them are UTF-8."""
    return name if name.isprintable() else decoded(name.encode("utf-8", "surrogateescape"))


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
