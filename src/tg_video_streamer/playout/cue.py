"""When an item is to begin that has a time of its own: by the clock on the wall, and in frames of the program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tg_video_streamer.media import FRAMES_PER_SECOND


@dataclass(frozen=True, kw_only=True, slots=True)
class CueTime:
    """Not before `wall`, in seconds since 1970; where it `cuts`, at that frame, whatever is on air."""

    wall: float
    cuts: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Cue:
    """The same in frames since the program began."""

    frame: int
    cuts: bool


Beginnings = Callable[[str], CueTime | None]
"""By an item's key; None: in its turn. Asked in the playout's thread."""


def appointment(begins: CueTime | None, *, wall: float, program_seconds: float) -> Cue | None:
    """The frame that is nearest to the time; `wall` and `program_seconds` are the same moment on both clocks."""
    if begins is None:
        return None
    return Cue(frame=round((program_seconds + begins.wall - wall) * FRAMES_PER_SECOND), cuts=begins.cuts)
