"""Whether media is really leaving: the one place that decides what `healthy` means, and says why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STANDSTILL_SECONDS = 2.0
"""A program that made no frame for so long does not advance: it makes one every 40 ms."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputFacts:
    """What health needs to know of one output."""

    name: str
    state: str
    error: str


def problems(*, channel_state: str, standstill_seconds: float, outputs: Iterable[OutputFacts]) -> tuple[str, ...]:
    """Why the service is not healthy, one line each; none: media is leaving to every output that is meant to have it.

    Filler and slate are media too: whether the picture is the right one is the channel's state, not its health.
    """
    found = []
    if channel_state in {"starting", "stopping"}:
        found.append(f"the channel is {channel_state}")
    elif standstill_seconds > STANDSTILL_SECONDS:
        found.append(f"the program has stood still for {standstill_seconds:.0f} s")
    for output in outputs:
        if output.state not in {"on_air", "stopped"}:
            detail = f": {output.error}" if output.error else ""
            found.append(f"output {output.name} is {output.state}{detail}")
    return tuple(found)
