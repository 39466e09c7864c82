"""Fades at both ends of an item, so that a cut does not click, and so that pictures may go to black between items; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

CUT_SECONDS = 0.02
"""How long the sound fades at a cut: below what is heard as a fade, above a period of the lowest tones."""
_LEAST_SECONDS, _MOST_SECONDS = 0.1, 5.0
_SPARE_SECONDS = 0.1
"""An item that is longer than stated is heard again so long after its stated end."""


def parse_transition(text: str) -> float:
    """The seconds of `fade SECONDS`, 0 for `cut`. Raises ValueError with what is allowed."""
    found = re.fullmatch(r"fade\s+(\d{1,2}(?:\.\d{1,3})?)", text.strip().lower())
    length = float(found[1]) if found is not None else 0.0
    if text.strip().lower() != "cut" and not _LEAST_SECONDS <= length <= _MOST_SECONDS:
        raise ValueError(f"must be cut, or fade and {_LEAST_SECONDS:g} to {_MOST_SECONDS:g} seconds, as in: fade 1")
    return length


@dataclass(frozen=True, kw_only=True, slots=True)
class Fades:
    """The fades of the range that one attempt plays; all times count from its first frame."""

    sound_seconds: float = CUT_SECONDS
    picture_seconds: float = 0.0
    """0: the picture does not fade."""
    begins: bool
    """The range begins with the item."""
    sound_end_seconds: float | None = None
    picture_end_seconds: float | None = None
    """Where picture and sound end with the item; None: not known."""

    @classmethod
    def of(cls, transition_seconds: float, *, begins: bool, sound_end: float | None, picture_end: float | None) -> Self:
        """`transition_seconds`: 0 for a cut. No fade is longer than half of what it is in."""
        known = min((end for end in (sound_end, picture_end) if end is not None), default=None)
        most = transition_seconds or CUT_SECONDS
        if known is not None:
            most = min(most, max(0.0, known / 2))
        return cls(
            sound_seconds=most,
            picture_seconds=most if transition_seconds else 0.0,
            begins=begins,
            sound_end_seconds=sound_end,
            picture_end_seconds=picture_end,
        )


def sound_fades(fades: Fades | None) -> list[str]:
    """The filters of the sound, exact to the sample. They follow the times of what comes in, so may be built again amid it."""
    if fades is None or not fades.sound_seconds:
        return []
    length = f"d={fades.sound_seconds:.6f}:curve=hsin"
    steps = [f"afade=t=in:st=0:{length}"] if fades.begins else []
    end = fades.sound_end_seconds
    if end is not None:
        steps.append(f"afade=t=out:st={max(0.0, end - fades.sound_seconds):.6f}:{length}:{_until(end)}")
    return steps


def picture_fades(fades: Fades | None, frame_rate: int) -> list[str]:
    """The filters of the picture: the first one and the last one are black."""
    if fades is None or not fades.picture_seconds:
        return []
    length = f"d={fades.picture_seconds:.6f}"
    steps = [f"fade=t=in:st=0:{length}"] if fades.begins else []
    end = fades.picture_end_seconds
    if end is not None:
        start = max(0.0, end - fades.picture_seconds - 1 / frame_rate)
        steps.append(f"fade=t=out:st={start:.6f}:{length}:{_until(end)}")
    return steps


def _until(end_seconds: float) -> str:
    return f"enable='lt(t\\,{end_seconds + _SPARE_SECONDS:.6f})'"
