"""The limit on connections, in virtual time, and the states of a session."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stands.virtual_time import SetClock
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter
from tg_video_streamer.telegram.session.state import TRANSITIONS, SessionState


@given(lives=st.lists(st.floats(min_value=0.0, max_value=29.0), min_size=20, max_size=120))
def test_never_more_than_the_limit(lives: list[float]) -> None:
    """However connections fail, no minute has more than ten attempts."""
    clock = SetClock()
    limiter = ConnectionLimiter(clock)
    attempts = []
    for life in lives:
        clock.now += limiter.pause()
        assert limiter.pause() == 0
        limiter.attempt()
        attempts.append(clock.now)
        if life:
            limiter.connected()
        clock.now += life
        limiter.lost()
    assert all(later - earlier >= 60 - 1e-6 for earlier, later in zip(attempts, attempts[10:], strict=False))


def test_pauses_grow_and_begin_anew() -> None:
    """Pauses double up to half a minute, and a connection that held restarts the row."""
    clock = SetClock()
    limiter = ConnectionLimiter(clock, attempts_per_minute=1000)
    pauses = []
    for _ in range(9):
        limiter.attempt()
        limiter.lost()
        pauses.append(limiter.pause())
        clock.now += pauses[-1]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    limiter.attempt()
    limiter.connected()
    clock.now += 31
    limiter.lost()
    assert limiter.pause() == 0


def test_states_are_drawn_as_they_are() -> None:
    """The diagram in the docstring has the arrows of the table, and no other."""
    drawn: dict[str, set[str]] = {}
    for line in (SessionState.__doc__ or "").split("```")[1].splitlines():
        for arrow in filter(None, (part.strip() for part in line.split("     "))):
            start, _, ends = arrow.partition(" ──► ")
            if ends:
                drawn[start] = set(ends.split(", "))
    assert drawn == {str(start): {str(end) for end in ends} for start, ends in TRANSITIONS.items()}
