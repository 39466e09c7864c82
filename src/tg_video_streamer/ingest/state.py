"""The state of the live input and its transitions."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.state_machine import Transitions


class LiveTake(StrEnum):
    """What happens to a live stream that comes in (LIVE_TAKE)."""

    AUTO = "auto"
    """It goes on air."""
    ASK = "ask"
    """It waits for the command `take`."""


class LiveState(StrEnum):
    """Whether a live stream arrives, and whether viewers see it.

    closed → waiting
    waiting → arriving closed
    arriving → on_air offered ignored waiting closed
    offered → arriving ignored waiting closed
    on_air → arriving ignored waiting closed
    ignored → waiting closed
    """

    CLOSED = "closed"
    """The input cannot listen."""
    WAITING = "waiting"
    ARRIVING = "arriving"
    """A publisher is connected but not on air: too little is buffered, it stalls, or the operator shows the slate."""
    OFFERED = "offered"
    """A publisher is connected and waits for the operator's `take`."""
    ON_AIR = "on_air"
    IGNORED = "ignored"
    """It was skipped: its stream is discarded until it connects again."""


_S = LiveState
LIVE_TRANSITIONS: Transitions[LiveState] = {
    _S.CLOSED: frozenset({_S.WAITING}),
    _S.WAITING: frozenset({_S.ARRIVING, _S.CLOSED}),
    _S.ARRIVING: frozenset({_S.ON_AIR, _S.OFFERED, _S.IGNORED, _S.WAITING, _S.CLOSED}),
    _S.OFFERED: frozenset({_S.ARRIVING, _S.IGNORED, _S.WAITING, _S.CLOSED}),
    _S.ON_AIR: frozenset({_S.ARRIVING, _S.IGNORED, _S.WAITING, _S.CLOSED}),
    _S.IGNORED: frozenset({_S.WAITING, _S.CLOSED}),
}
