"""Takes a cached encode that another host made, checks each of its checksums, and adds it to the library."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from tg_video_streamer.errors import CachedEncodeDamaged
from tg_video_streamer.library.cache_state import CacheState
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.part import name_files, new_part, write_all
from tg_video_streamer.library.sidecar import Sidecar, load_sidecar
from tg_video_streamer.library.writer import CHECK_BYTES


class Arrival:
    """One encode on its way; only `commit` adds it. Its methods block, and belong to one thread at a time."""

    def __init__(self, folder: Path, key: str, sidecar: bytes, *, state: CacheState) -> None:
        """`key` is claimed in `state`. Raises CachedEncodeDamaged where the sidecar is none of it, and OSError."""
        found = load_sidecar(sidecar)
        if found.record.key != key:
            raise CachedEncodeDamaged("the sidecar of a cached encode is that of another one")
        self._sidecar, self._record, self._state = sidecar, found.record, state
        self._parts = _parts(found)
        self._rest, self._crc32 = next(self._parts)
        self._found_crc32 = 0
        self._written = 0
        self._checked = 0
        self._descriptor, self._part = new_part(folder, key)

    def add(self, data: bytes) -> None:
        """The next bytes of the media. Raises CachedEncodeDamaged at the first wrong checksum, and OSError."""
        write_all(self._descriptor, data)
        self._written += len(data)
        rest = memoryview(data)
        while rest:
            if not self._rest:
                raise CachedEncodeDamaged("a cached encode is longer than its table")
            piece = rest[: self._rest]
            self._found_crc32 = zlib.crc32(piece, self._found_crc32)
            self._rest -= len(piece)
            rest = rest[len(piece) :]
            if not self._rest:
                self._next_part()
        if self._written - self._checked >= CHECK_BYTES:
            self._checked = self._written
            if self._state.space_to_write(self._written) is not None:
                raise OSError(28, "no space for a cached encode")

    def commit(self) -> CachedEncode:
        """Give it its name and list it. Raises CachedEncodeDamaged where something is missing, and OSError."""
        if self._written != self._record.bytes or self._rest:
            raise CachedEncodeDamaged("a part of a cached encode is missing")
        if self._state.space_to_commit(self._written) is not None:
            raise OSError(28, "no space for a cached encode")
        if not name_files(self._part, self._descriptor, self._record.key, self._sidecar):
            raise OSError(11, "the library's folder stays locked")
        encode = self._state.put(self._record)
        if encode is None:
            raise OSError(5, "the library's index cannot be written")
        return encode

    def close(self) -> None:
        """Discard what was not committed."""
        self._part.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._state.ended(self._record.key)

    def _next_part(self) -> None:
        if self._found_crc32 != self._crc32:
            raise CachedEncodeDamaged("a checksum of a cached encode is wrong")
        self._rest, self._crc32 = next(self._parts, (0, 0))
        self._found_crc32 = 0


def _parts(sidecar: Sidecar) -> Iterator[tuple[int, int]]:
    """Length and checksum of each part, in the order of the file."""
    yield sidecar.head_bytes, sidecar.head_crc32
    for gop in sidecar.gops:
        yield gop.length, gop.crc32
