"""Decides whether the service is healthy: whether media is leaving to every output."""

from __future__ import annotations

from collections.abc import Iterable

from tg_video_streamer.control.status import OutputStatus
from tg_video_streamer.locales.message import Message

STANDSTILL_SECONDS = 2.0
"""A program without a new frame for so long stands still: it makes one every 40 ms."""


def problems(*, channel_state: str, standstill_seconds: float, outputs: Iterable[OutputStatus]) -> tuple[Message, ...]:
    """Why the service is not healthy; empty where it is.

    Filler and slate are media too: whether the picture is the right one is the channel's state, not its health.
    """
    found = []
    if channel_state in {"starting", "stopping"}:
        found.append(Message.of(f"health.{channel_state}"))
    elif standstill_seconds > STANDSTILL_SECONDS:
        found.append(Message.of("health.standstill", seconds=round(standstill_seconds)))
    for output in outputs:
        if output.state not in {"on_air", "stopped"}:
            state = Message.of(f"output_state.{output.state}")
            found.append(
                Message.of("health.output_error", name=output.name, state=state, detail=output.error)
                if output.error
                else Message.of("health.output", name=output.name, state=state)
            )
    return tuple(found)
