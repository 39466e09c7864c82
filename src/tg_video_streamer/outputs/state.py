"""The states of an output and the only moves between them."""

from __future__ import annotations

from enum import StrEnum

from tg_video_streamer.state_machine import Transitions


class OutputState(StrEnum):
    """Where an output stands.

    idle → connecting suspended stopped
    connecting → on_air retrying suspended stopped
    on_air → connecting retrying suspended stopped
    retrying → connecting suspended stopped
    suspended → connecting stopped
    stopped → connecting
    """

    IDLE = "idle"
    """Never started."""
    CONNECTING = "connecting"
    """An attempt is under way, or a connection has nothing to carry."""
    ON_AIR = "on_air"
    """Media leaves and the far end takes it."""
    RETRYING = "retrying"
    """The last attempt failed; the next one is near."""
    SUSPENDED = "suspended"
    """It needs something from a person, such as a session; nothing is attempted."""
    STOPPED = "stopped"
    """By the operator, or at the end of the service."""


OUTPUT_TRANSITIONS: Transitions[OutputState] = {
    OutputState.IDLE: frozenset({OutputState.CONNECTING, OutputState.SUSPENDED, OutputState.STOPPED}),
    OutputState.CONNECTING: frozenset(
        {OutputState.ON_AIR, OutputState.RETRYING, OutputState.SUSPENDED, OutputState.STOPPED}
    ),
    OutputState.ON_AIR: frozenset(
        {OutputState.CONNECTING, OutputState.RETRYING, OutputState.SUSPENDED, OutputState.STOPPED}
    ),
    OutputState.RETRYING: frozenset({OutputState.CONNECTING, OutputState.SUSPENDED, OutputState.STOPPED}),
    OutputState.SUSPENDED: frozenset({OutputState.CONNECTING, OutputState.STOPPED}),
    OutputState.STOPPED: frozenset({OutputState.CONNECTING}),
}
