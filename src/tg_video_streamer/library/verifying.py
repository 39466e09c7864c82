"""Reads every kept copy whole, as a long check of the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tg_video_streamer.errors import CopyDamaged
from tg_video_streamer.library.cached_encode import Copy


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What a check found."""

    whole: int
    """How many copies are what was written."""
    bytes: int
    """Of those."""
    damaged: tuple[Copy, ...] = ()
    """They were dropped."""


def verify(
    copies: Iterable[Copy],
    *,
    listed: Callable[[str], bool],
    drop: Callable[[Copy, str], None],
    progress: Callable[[Copy], None] | None,
) -> Verified:
    """Read each GOP of each copy; what another channel prunes meanwhile is neither whole nor damaged."""
    whole = size = 0
    damaged = []
    for copy in copies:
        try:
            with copy.open() as reader:
                for gop in range(len(reader.gops)):
                    reader.read(gop)
        except CopyDamaged as error:
            if listed(copy.key):
                damaged.append(copy)
                drop(copy, str(error))
        else:
            whole += 1
            size += copy.bytes
        if progress is not None:
            progress(copy)
    return Verified(whole=whole, bytes=size, damaged=tuple(damaged))
