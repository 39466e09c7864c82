"""Which frame rate would suit a playlist better than that of the program; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import FrameRate

_NEAR = 0.02
_LEAST_FILES = 3
_MOST_PART = 0.5


def better_rate(source_rates: Sequence[float], house_rate: FrameRate) -> Message | None:
    """Advice if more than half of the files, given by their pictures a second, have one other rate; None otherwise."""
    rates = [rate for rate in source_rates if rate > 0]
    known = Counter(found for rate in rates if (found := _rate_of(rate)) is not None)
    if len(rates) < _LEAST_FILES or not known:
        return None
    best, count = known.most_common(1)[0]
    if best is house_rate or count <= _MOST_PART * len(rates):
        return None
    if best < house_rate:
        effect = "frame_rate.each_twice" if house_rate == 2 * best else "frame_rate.some_twice"
    else:
        effect = "frame_rate.every_second" if best == 2 * house_rate else "frame_rate.some_lost"
    return Message.of(
        "frame_rate.better",
        count=count,
        all=len(rates),
        wanted=int(best),
        now=int(house_rate),
        effect=Message.of(effect),
    )


def _rate_of(source_rate: float) -> FrameRate | None:
    nearest = min(FrameRate, key=lambda rate: abs(rate - source_rate))
    return nearest if abs(source_rate / nearest - 1) <= _NEAR else None
