"""Each connection's own time: the program's timeline, counted from the first picture that the connection was given; pure."""

from __future__ import annotations

from collections.abc import Sequence

from tg_video_streamer.media import TICKS_PER_SECOND, FrameRate, Kind, Stamped

RTMP_LIMIT_TICKS = ((1 << 31) // 1000 - 60) * TICKS_PER_SECOND
"""A minute before FLV's signed 32-bit milliseconds end: 24.8 days."""
MPEGTS_LIMIT_TICKS = ((1 << 33) // 90_000 - 60) * TICKS_PER_SECOND
"""A minute before the 33-bit 90 kHz clock of MPEG-TS wraps: 26.5 hours."""

# Within a slice, sound may be behind the picture by less than this.
_LONGEST_FRAME_TICKS = FrameRate.FPS24.frame_ticks


class OwnTime:
    """Gives each packet its time in the connection; the first packet must be a picture, and stands at 0."""

    def __init__(self) -> None:
        self._base: int | None = None

    def ticks(self, packet: Stamped) -> int:
        """Ticks since the first picture; negative for sound that began before it, which has no place."""
        if self._base is None:
            if packet.kind is not Kind.VIDEO:
                return -1
            self._base = packet.ticks
        return packet.ticks - self._base


def own_milliseconds(ticks: int) -> int:
    """Ticks as the nearest whole millisecond (a third is never a half)."""
    return (ticks + 1) // 3


def split_at_limit(
    packets: Sequence[Stamped], first_ticks: int, limit_ticks: int
) -> tuple[Sequence[Stamped], Sequence[Stamped]]:
    """What still belongs to a connection that began at `first_ticks`, and what belongs to the next one.

    The next one begins with the first keyframe that stands `limit_ticks` or more after the beginning.
    """
    if not packets or packets[-1].ticks - first_ticks < limit_ticks - _LONGEST_FRAME_TICKS:
        return packets, ()
    for index, packet in enumerate(packets):
        if packet.keyframe and packet.kind is Kind.VIDEO and packet.ticks - first_ticks >= limit_ticks:
            return packets[:index], packets[index:]
    return packets, ()
