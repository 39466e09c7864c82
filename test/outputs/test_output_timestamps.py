"""A connection's own time, in virtual slots: from 0, exact, and renewed at a keyframe before the format's end."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from stands.house import FRAME_TICKS
from tg_video_streamer.media import PACKET_TICKS, Kind, Stamped, milliseconds
from tg_video_streamer.outputs.timestamps import (
    MPEGTS_LIMIT_TICKS,
    RTMP_LIMIT_TICKS,
    OwnTime,
    own_milliseconds,
    split_at_limit,
)


def picture(slot: int) -> Stamped:
    """A picture with a keyframe every 50."""
    return Stamped(kind=Kind.VIDEO, ticks=slot * FRAME_TICKS, keyframe=slot % 50 == 0, data=b"")


@given(st.integers(0, 10**12))
def test_milliseconds_are_the_nearest(ticks: int) -> None:
    """Rounding is exact for months and the same as the project's own."""
    assert own_milliseconds(ticks) == milliseconds(ticks)
    assert abs(own_milliseconds(ticks) - Fraction(ticks, 3)) < Fraction(1, 2)


@given(st.integers(0, 10**10), st.integers(0, 10**7))
def test_every_connection_counts_from_its_first_picture(first: int, later: int) -> None:
    """The first picture stands at 0; sound that began before it has no place; later packets keep their distance."""
    time = OwnTime()
    assert time.ticks(Stamped(kind=Kind.AUDIO, ticks=first * PACKET_TICKS, keyframe=True, data=b"")) < 0
    assert time.ticks(picture(first)) == 0
    assert time.ticks(picture(first + later)) == later * FRAME_TICKS
    sound = first * FRAME_TICKS // PACKET_TICKS
    assert time.ticks(Stamped(kind=Kind.AUDIO, ticks=sound * PACKET_TICKS, keyframe=True, data=b"")) in range(
        -PACKET_TICKS, 1
    )


@given(st.integers(0, 10**9), st.integers(1, 30), st.sampled_from([RTMP_LIMIT_TICKS, MPEGTS_LIMIT_TICKS, 6000]))
def test_renewed_at_the_first_keyframe_past_the_limit(first_gop: int, size: int, limit: int) -> None:
    """However the program is sliced, a connection ends before its format does, and the next begins with a keyframe."""
    first = first_gop * 50
    # Only the slices around the limit matter; the days before it are left out.
    around = first + limit // FRAME_TICKS
    slots = range(max(first, around - 120), around + 120)
    slices = [[picture(slot) for slot in slots[start : start + size]] for start in range(0, len(slots), size)]
    kept: list[Stamped] = []
    for slice_ in slices:
        before, after = split_at_limit(slice_, first * FRAME_TICKS, limit)
        kept += before
        assert [*before, *after] == slice_
        if after:
            assert after[0].keyframe
            assert after[0].ticks - first * FRAME_TICKS >= limit
            break
    assert max(one.ticks for one in kept) - first * FRAME_TICKS < limit + 50 * FRAME_TICKS


def test_limits_lie_before_the_formats_end() -> None:
    """A GOP after the limit, both clocks still fit: 31 bits of milliseconds, 33 bits of 90 kHz."""
    assert own_milliseconds(RTMP_LIMIT_TICKS + 50 * FRAME_TICKS) < 2**31
    assert (MPEGTS_LIMIT_TICKS + 50 * FRAME_TICKS) * 30 < 2**33
