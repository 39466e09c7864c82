"""Holds the local files of an item open, so that one that is replaced while it plays is read to its end as it was."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tg_video_streamer.resolve.media import Media, MediaInput


class HeldFiles:
    """The files of one item; those of its first attempt stay."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    def hold(self, media: Media) -> None:
        """Open the files of `media` that are not held yet; one that cannot be opened is left to ffmpeg's own message."""
        for one in media.inputs:
            if one.is_file and one.growing is None and one.location not in self._held:
                try:
                    self._held[one.location] = os.open(one.location, os.O_RDONLY | os.O_CLOEXEC)
                except OSError:
                    continue

    def as_begun(self, media: Media) -> tuple[Media, tuple[int, ...]]:
        """`media` with each replaced file as the descriptor of the old one, and what the child must inherit for that."""
        inputs = tuple(self._as_begun(one) for one in media.inputs)
        changed = {one.location for one, now in zip(media.inputs, inputs, strict=True) if one is not now}
        return replace(media, inputs=inputs), tuple(self._held[location] for location in changed)

    def close(self) -> None:
        """Let go of all files."""
        while self._held:
            os.close(self._held.popitem()[1])

    def _as_begun(self, one: MediaInput) -> MediaInput:
        descriptor = self._held.get(one.location)
        if descriptor is None or not one.is_file or one.growing is not None:
            return one
        held = os.fstat(descriptor)
        try:
            now = Path(one.location).stat()
        except OSError:
            # The path is gone; what it named is not.
            return replace(one, location=f"/proc/self/fd/{descriptor}")
        same = (held.st_dev, held.st_ino) == (now.st_dev, now.st_ino)
        return one if same else replace(one, location=f"/proc/self/fd/{descriptor}")
