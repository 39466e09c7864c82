"""Decides whether the service is healthy: whether media is leaving to every output; and what else is wrong."""

from __future__ import annotations

from collections.abc import Iterable

from tg_video_streamer.control.status import STANDBY, UNKNOWN, OutputStatus, PartStatus
from tg_video_streamer.locales.message import Message

STANDSTILL_SECONDS = 2.0
"""A program without a new frame for so long stands still: it makes one every 40 ms."""


def problems(
    *, channel_state: str, standstill_seconds: float, outputs: Iterable[OutputStatus], now_wall: float
) -> tuple[Message, ...]:
    """Why the service is not healthy; empty where it is.

    Filler and slate are media too: whether the picture is the right one is the channel's state, not its health.
    """
    found: list[Message] = []
    if channel_state == STANDBY:
        return ()
    if channel_state in {"starting", "stopping"}:
        found.append(Message.of(f"health.{channel_state}"))
    elif standstill_seconds > STANDSTILL_SECONDS:
        found.append(Message.of("health.standstill", seconds=round(standstill_seconds)))
    for output in outputs:
        if output.state == UNKNOWN and output.seen_wall is not None:
            seconds = round(now_wall - output.seen_wall)
            found.append(Message.of("health.output_unseen", name=output.name, seconds=seconds))
        elif output.state not in {"on_air", "stopped"}:
            state = Message.of(f"output_state.{output.state}")
            found.append(
                Message.of("health.output_error", name=output.name, state=state, detail=output.error)
                if output.error
                else Message.of("health.output", name=output.name, state=state)
            )
    return tuple(found)


def side_problems(*, parts: Iterable[PartStatus], session_state: str) -> tuple[Message, ...]:
    """What is wrong while media may leave all the same."""
    found = [
        Message.of("health.part", part=one.name, count=one.restarts, error=one.last_error)
        for one in parts
        if one.unstable
    ]
    if session_state == UNKNOWN:
        found.append(Message.of("health.session_unseen"))
    return tuple(found)
