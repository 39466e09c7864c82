"""Reads where to seek to: `+30` and `-30` from where the item is, `12:00` from its start; pure."""

from __future__ import annotations

from tg_video_streamer.errors import ControlError
from tg_video_streamer.playlist.line import parse_seconds

_MINUS = ("-", "\u2212")
"""Telephones put the typographic one."""


def seek_target(to: str, *, at_seconds: float, length_seconds: float | None) -> float:
    """The item's own time that `to` means at `at_seconds`; before its start is its start.

    Raises ControlError for what is no time, and for a place at or behind the end. `length_seconds` None: unknown.
    """
    text = to.strip()
    sign = -1 if text.startswith(_MINUS) else 1 if text.startswith("+") else 0
    try:
        seconds = parse_seconds(text[1:].strip() if sign else text)
    except ValueError as error:
        raise ControlError.of("refused.seek_time", text=to[:40]) from error
    target = max(0.0, at_seconds + sign * seconds) if sign else seconds
    if length_seconds is not None and target >= length_seconds:
        raise ControlError.of("refused.seek_beyond", to=target, length=length_seconds)
    return target
