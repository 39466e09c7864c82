"""Finds the exact times of sound packets whose container has rounded them to milliseconds; pure.

A packet lasts 64 ticks, which is 21 1/3 ms: of the three times that one rounded time may stand for, only one gives the rounded
times of the two packets after it.
"""

from __future__ import annotations

from collections.abc import Iterable

from tg_video_streamer.media import PACKET_TICKS

_MILLISECOND_TICKS = 3


class SoundTimes:
    """Of packets as they come; exact from the third on that follows without a gap, mostly from the second."""

    def __init__(self) -> None:
        self._starts: tuple[int, ...] = ()
        """The times that the first packet of the present row may have."""
        self._count = 0

    def exact(self, rounded_ticks: int) -> int:
        """The time of the next packet."""
        ahead = self._count * PACKET_TICKS
        fitting = tuple(start for start in self._starts if _rounded(start + ahead) == rounded_ticks)
        self._count += 1
        if fitting:
            self._starts = fitting
            return fitting[0] + ahead
        known = rounded_ticks % _MILLISECOND_TICKS == 0
        self._starts = (rounded_ticks - 1, rounded_ticks, rounded_ticks + 1) if known else ()
        self._count = 1
        return rounded_ticks


def exact_times(rounded_ticks: Iterable[int]) -> list[int]:
    """The times of packets that are all there: those before the third, too."""
    times = SoundTimes()
    found = [times.exact(one) for one in rounded_ticks]
    for at in range(len(found) - 2, -1, -1):
        if abs(found[at + 1] - found[at] - PACKET_TICKS) == 1:
            found[at] = found[at + 1] - PACKET_TICKS
    return found


def _rounded(ticks: int) -> int:
    return (ticks + 1) // _MILLISECOND_TICKS * _MILLISECOND_TICKS
