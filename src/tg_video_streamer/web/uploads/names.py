"""Turns the name of an uploaded file into one that is safe in a folder and in a playlist line; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from tg_video_streamer.playlist.folders import MEDIA_EXTENSIONS

_MAX_BYTES = 180
_UNSAFE = re.compile(r"""[/\\|<>:"?*#%\s]+""")


def safe_name(name: str) -> str:
    """The last part of `name` without what has a meaning elsewhere; empty where it has no extension of a media file."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(character if character.isprintable() else " " for character in last)
    stem, dot, extension = _UNSAFE.sub(" ", shown).strip(" .-").rpartition(".")
    stem, extension = stem.strip(" .-"), f".{extension.lower()}"
    if not dot or extension not in MEDIA_EXTENSIONS:
        return ""
    while len(stem.encode("utf-8", "replace")) > _MAX_BYTES:
        stem = stem[:-1]
    return f"{stem or 'video'}{extension}"


def numbered(name: str) -> Iterator[str]:
    """`name`, then film (2).mp4, film (3).mp4 and so on."""
    yield name
    stem, _, extension = name.rpartition(".")
    for number in range(2, 10_000):
        yield f"{stem} ({number}).{extension}"
