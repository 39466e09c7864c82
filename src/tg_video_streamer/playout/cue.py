"""When an item with a scheduled time begins: by the wall clock, and in frames of the program."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.media import FrameRate


@dataclass(frozen=True, kw_only=True, slots=True)
class CueTime:
    """Not before `wall`, in seconds since 1970; where it `cuts`, at that frame, whatever is on air."""

    wall: float
    cuts: bool

    def cue(self, rate: FrameRate, *, wall: float, program_seconds: float) -> Cue:
        """The frame that is nearest to the time; `wall` and `program_seconds` are the same moment on both clocks."""
        return Cue(frame=round((program_seconds + self.wall - wall) * rate), cuts=self.cuts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cue:
    """The same in frames since the program began."""

    frame: int
    cuts: bool
