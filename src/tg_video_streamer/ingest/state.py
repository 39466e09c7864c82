"""What the way in for live streams is doing, as one word."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.state_machine import Transitions


class LiveState(StrEnum):
    """Whether a live stream comes in, and whether viewers see it.

    closed → waiting
    waiting → arriving closed
    arriving → on_air ignored waiting closed
    on_air → arriving ignored waiting closed
    ignored → waiting closed
    """

    CLOSED = "closed"
    """Nobody can come in: the address cannot be listened at."""
    WAITING = "waiting"
    ARRIVING = "arriving"
    """A publisher is there, but is not seen: too little has come yet, it stalls, or the operator holds the slate."""
    ON_AIR = "on_air"
    IGNORED = "ignored"
    """It was skipped: what it sends is thrown away until it comes anew."""


_S = LiveState
LIVE_TRANSITIONS: Transitions[LiveState] = {
    _S.CLOSED: frozenset({_S.WAITING}),
    _S.WAITING: frozenset({_S.ARRIVING, _S.CLOSED}),
    _S.ARRIVING: frozenset({_S.ON_AIR, _S.IGNORED, _S.WAITING, _S.CLOSED}),
    _S.ON_AIR: frozenset({_S.ARRIVING, _S.IGNORED, _S.WAITING, _S.CLOSED}),
    _S.IGNORED: frozenset({_S.WAITING, _S.CLOSED}),
}
