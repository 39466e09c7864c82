"""Reads every kept copy whole, as a long check of the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tg_video_streamer.errors import CachedEncodeDamaged
from tg_video_streamer.library.cached_encode import CachedEncode


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What a check found."""

    whole: int
    """How many copies are what was written."""
    bytes: int
    """Of those."""
    damaged: tuple[CachedEncode, ...] = ()
    """They were dropped."""


def verify(
    copies: Iterable[CachedEncode],
    *,
    listed: Callable[[str], bool],
    drop: Callable[[CachedEncode, str], None],
    progress: Callable[[CachedEncode], None] | None,
) -> Verified:
    """Read each GOP of each copy; what another channel prunes meanwhile is neither whole nor damaged."""
    whole = size = 0
    damaged = []
    for copy in copies:
        try:
            with copy.open() as reader:
                for gop in range(len(reader.gops)):
                    reader.read(gop)
        except CachedEncodeDamaged as error:
            if listed(copy.key):
                damaged.append(copy)
                drop(copy, str(error))
        else:
            whole += 1
            size += copy.bytes
        if progress is not None:
            progress(copy)
    return Verified(whole=whole, bytes=size, damaged=tuple(damaged))
