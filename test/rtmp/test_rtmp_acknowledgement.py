"""Which servers count as frozen by their acknowledgements, and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from tg_video_streamer.rtmp.acknowledgement import WINDOW_BYTES, AcknowledgementWatch

_STALL = 5.0


@given(seconds=some.integers(1, 600), rate=some.integers(1_000, 10_000_000))
def test_a_server_that_never_acknowledges_is_never_judged(seconds: int, rate: int) -> None:
    """Whatever it has taken, for however long."""
    watch = AcknowledgementWatch(_STALL)
    assert not any(watch.stalled(0, rate * second, float(second)) for second in range(seconds))


@given(rate=some.integers(20_000, 1_000_000), window=some.sampled_from([1_000_000, 2_500_000, 5_000_000]))
def test_a_server_with_a_window_of_its_own_is_never_judged(rate: int, window: int) -> None:
    """One that acknowledges more seldom than it was asked to may be silent for long."""
    watch = AcknowledgementWatch(_STALL)
    assert not any(watch.stalled(rate * second // window, rate * second, float(second)) for second in range(900))


@given(rate=some.integers(45_000, 1_000_000))
def test_a_regular_server_that_falls_silent_is_noticed(rate: int) -> None:
    """Within ten seconds, at every rate of a program; and never while it acknowledges."""
    watch = AcknowledgementWatch(_STALL)
    for tenth in range(600):
        taken = rate * tenth // 10
        assert not watch.stalled(taken // WINDOW_BYTES, taken, tenth / 10)
    last = rate * 599 // 10 // WINDOW_BYTES
    noticed = next(tenth for tenth in range(600, 900) if watch.stalled(last, rate * tenth // 10, tenth / 10))
    assert noticed - 600 <= 100


def test_a_server_that_takes_nothing_more_is_left_to_its_connection() -> None:
    """Silence while nothing is taken, or while too little was sent, is no sign."""
    watch = AcknowledgementWatch(_STALL)
    for number in range(1, 6):
        assert not watch.stalled(number, number * WINDOW_BYTES, float(number))
    assert not watch.stalled(5, 6 * WINDOW_BYTES, 100.0)
