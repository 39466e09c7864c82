"""Holds the local files of an item open: one that is replaced plays to its end as it was, one that is written over ends."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs, SourceOverwritten
from tg_video_streamer.playlist.file_names import shown
from tg_video_streamer.resolve.media import Media, MediaInput

_HEAD_BYTES = 64 * 1024
"""Whoever writes over a file begins here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """What tells a file that was written over from one that grows or is touched."""

    times: tuple[int, int]
    """Its size, and when it was changed."""
    head: bytes

    @classmethod
    def of(cls, descriptor: int) -> _State:
        """As it is now. Raises OSError."""
        return cls(times=_times(descriptor), head=hashlib.blake2b(os.pread(descriptor, _HEAD_BYTES, 0)).digest())


class HeldFiles:
    """The files of one item; those of its first attempt stay."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._states: dict[str, _State] = {}

    async def held(self, media: Media, asked: Media) -> tuple[Media, tuple[int, ...]]:
        """`hold` the files of `media`, and then `asked` `as_begun`. Raises DiskHangs."""
        first = next((one.location for one in media.inputs if one.is_file and one.growing is None), None)
        if first is None:
            return asked, ()
        await DISKS.run(Path(first), self.hold, media)
        return await DISKS.run(Path(first), self.as_begun, asked)

    async def unchanged(self) -> None:
        """`require_unchanged` for the event loop; what hangs now was read before."""
        if self._states:
            with suppress(DiskHangs):
                await DISKS.run(Path(next(iter(self._states))), self.require_unchanged)

    def hold(self, media: Media) -> None:
        """Open the files of `media` that are not held yet; one that cannot be opened is left to ffmpeg's own message."""
        for one in media.inputs:
            if one.is_file and one.growing is None and one.location not in self._held:
                try:
                    descriptor = os.open(one.location, os.O_RDONLY | os.O_CLOEXEC)
                except OSError:
                    continue
                self._held[one.location] = descriptor
                self._states[one.location] = _State.of(descriptor)

    def require_unchanged(self) -> None:
        """Raise SourceOverwritten where the content of a file is not that of its first attempt; cheap, from any thread."""
        for location, begun in self._states.items():
            if _times(self._held[location]) == begun.times:
                continue
            now = _State.of(self._held[location])
            if now.times[0] < begun.times[0] or now.head != begun.head:
                raise SourceOverwritten.of("source.overwritten", path=shown(location))
            self._states[location] = now

    def as_begun(self, media: Media) -> tuple[Media, tuple[int, ...]]:
        """`media` with each replaced file as the descriptor of the old one, and what the child must inherit for that."""
        inputs = tuple(self._as_begun(one) for one in media.inputs)
        changed = {one.location for one, now in zip(media.inputs, inputs, strict=True) if one is not now}
        return replace(media, inputs=inputs), tuple(self._held[location] for location in changed)

    def close(self) -> None:
        """Let go of all files."""
        self._states.clear()
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


def _times(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns
