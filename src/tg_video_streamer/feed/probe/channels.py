"""How sound becomes stereo where ffmpeg has no rule: many channels without places, and pairs of mono tracks."""

from __future__ import annotations

import re
from typing import Any

_NAMES = (
    (re.compile(r"\b(left|l|fl|links|gauche|лев\w*)\b", re.IGNORECASE), "left"),
    (re.compile(r"\b(right|r|fr|rechts|droite?|прав\w*)\b", re.IGNORECASE), "right"),
)
_UNPLACED = re.compile(r"\d+ channels$")
_MOST_GUESSED = 8
"""Up to so many channels without places ffmpeg takes for its usual layout of that number."""
MOST_CHANNELS = 64
"""More of them the filter cannot take."""


def mix_of(layout: Any, channels: int) -> str:
    """The options of ffmpeg's pan filter that mix a layout which ffmpeg cannot mix; empty where it can."""
    name = layout.name if layout is not None else ""
    if name.startswith("ambisonic") and channels >= 2:
        # In ACN order channel 0 is the pressure and channel 1 the axis from left to right.
        return "stereo|c0=0.7*c0+0.5*c1|c1=0.7*c0-0.5*c1"
    if channels <= _MOST_GUESSED or not _UNPLACED.match(name or f"{channels} channels"):
        return ""
    # As in 7.1.4: left, right, center, low frequencies, and pairs from then on.
    left, right = ["c0", "0.7*c2"], ["c1", "0.7*c2"]
    for channel in range(4, channels):
        (right if channel % 2 else left).append(f"0.5*c{channel}")
    # The sum of the shares is kept to 1, so that nothing clips.
    return f"stereo|c0<{'+'.join(left)}|c1<{'+'.join(right)}"


def pair_of(container: Any, stream: Any) -> tuple[int, int] | None:
    """The numbers of the left and the right mono track that `stream` is one of; None where it stands alone.

    They are recognized by their place in the layout, or by their title.
    """
    sides: dict[str, int] = {}
    for number, one in enumerate(container.streams.audio):
        context = one.codec_context
        if context is None or context.channels != 1 or context.sample_rate != stream.codec_context.sample_rate:
            continue
        if (side := _side(one)) is not None:
            if side in sides:
                return None  # two languages, perhaps: nothing says which belong together
            sides[side] = number
    numbers = list(container.streams.audio)
    if len(sides) != 2 or numbers.index(stream) not in sides.values():
        return None
    return sides["left"], sides["right"]


def _side(stream: Any) -> str | None:
    title = stream.metadata.get("title") or stream.metadata.get("handler_name") or ""
    places = [channel.name for channel in stream.codec_context.layout.channels]
    if places in (["FL"], ["FR"]):
        return "left" if places == ["FL"] else "right"
    found = [side for pattern, side in _NAMES if pattern.search(title)]
    return found[0] if len(found) == 1 else None
