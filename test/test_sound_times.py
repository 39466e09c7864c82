"""Times of sound that a container has rounded to milliseconds are exact again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.media import PACKET_TICKS
from tg_video_streamer.sound_times import SoundTimes, exact_times

rows = st.lists(st.tuples(st.integers(-200, 200), st.integers(3, 100)), min_size=1, max_size=5)


def rounded(ticks: int) -> int:
    """As Matroska and FLV store it: to the nearest millisecond, which has three ticks."""
    return (ticks + 1) // 3 * 3


@given(rows)
def test_rounded_times_become_exact(given_rows: list[tuple[int, int]]) -> None:
    """Whatever the phase of the sound, and where it has gaps, each packet gets its own time back."""
    own, at = [], 0
    for gap, packets in given_rows:
        at += PACKET_TICKS * 2 + 201 + gap
        own += [at + n * PACKET_TICKS for n in range(packets)]
        at = own[-1]
    assert exact_times([rounded(one) for one in own]) == own
    times = SoundTimes()
    streamed = [times.exact(rounded(one)) for one in own]
    assert all(abs(found - one) <= 1 for found, one in zip(streamed, own, strict=True))
    started = 0
    for _, packets in given_rows:
        assert streamed[started + 2 : started + packets] == own[started + 2 : started + packets]
        started += packets


def test_other_times_stay_as_they_are() -> None:
    """Packets that do not follow each other, or whose times are no whole milliseconds, keep their times."""
    for row in ([0, 200, 300], [1, 65, 129], [-7], []):
        assert exact_times(row) == row
