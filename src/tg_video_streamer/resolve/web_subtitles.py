"""Subtitles that a site has as files of their own: which yt-dlp downloads, and where they lie until the item plays."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.languages import FORCED, language_codes, language_tag
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media, Resolve

log = structlog.get_logger(__name__)

_MARK = " subtitles:"
"""In a `source_id`, before the name of the folder: other subtitles are another source."""
_SUFFIXES = frozenset({"vtt", "srt", "ass"})
_UNUSED_SECONDS = 14 * 24 * 3600.0


def wanted_subtitles(languages: Sequence[str]) -> list[str]:
    """Patterns that match what a site may call the subtitles, in order; forced ones where there are no whole ones."""
    named = [f"^({'|'.join(language_codes(language))})([-_]|$)" for language in languages if language != FORCED]
    whole = [f"(?!.*{FORCED}){pattern}" for pattern in named]
    # Those of another language than the sound are left out when the item plays.
    return [*whole, *([f"(?=.*{FORCED}){pattern}" for pattern in named] or [f".*{FORCED}"] if languages else [])]


class WebSubtitles:
    """The files in one folder; they are text of a few kilobytes each."""

    def __init__(self, folder: Path) -> None:
        """Removes what was not used for two weeks."""
        self._folder = folder
        for one in folder.glob("*"):
            # The wall clock: a file's times outlast the process.
            if time.time() - one.stat().st_mtime > _UNUSED_SECONDS:
                shutil.rmtree(one, ignore_errors=True)

    def store(self, media: Media, found: Mapping[str, Any]) -> Media:
        """`media` with the subtitles that yt-dlp has downloaded with it, if any."""
        if media.is_live or found.get("ext") not in _SUFFIXES or not isinstance(found.get("text"), str):
            return media
        called, forced, _ = str(found.get("language")).partition(FORCED)
        language = language_tag(called.rstrip("-_. (")) or "und"
        if forced:
            language = f"{language}.{FORCED}"
        text = found["text"].encode("utf-8", "replace")
        name = hashlib.blake2b(f"{media.source_id}\n{language}\n".encode() + text, digest_size=10).hexdigest()
        try:
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._folder / name / f"{language}.{found['ext']}", text, durable=False)
        except OSError as error:
            log.warning("subtitles of a web video not stored", why=error.strerror)
            return media
        return self._with_files(replace(media, source_id=f"{media.source_id}{_MARK}{name}"))

    def added_to(self, resolve: Resolve) -> Resolve:
        """A resolver that gives the media of `store` with their files, which the spool does not know."""

        async def resolved(item: Item) -> Media | Expansion:
            found = await resolve(item)
            return self._with_files(found) if isinstance(found, Media) and _MARK in found.source_id else found

        return resolved

    def _with_files(self, media: Media) -> Media:
        folder = self._folder / media.source_id.rpartition(_MARK)[2]
        if not folder.is_dir():
            return media
        os.utime(folder)
        return replace(media, subtitle_files=tuple(str(file) for file in sorted(folder.iterdir())))
