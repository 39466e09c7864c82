"""The service's whole state at one moment, as every reader gets it: `status --json`, the page, the terminal, the health check."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemStatus:
    """One item for people: no URL, since those may be signed."""

    key: str
    title: str
    duration_seconds: float | None = None
    is_live: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputStatus:
    """One output: `state` as in outputs.OutputState; `error` is its last one, empty after it recovered."""

    name: str
    kind: str
    state: str
    since_wall: float
    bytes_sent: int
    bits_per_second: float
    reconnects: int
    dropped_packets: int
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceStatus:
    """Everything that is true of the channel now."""

    version: str
    channel_state: str
    """starting, on_air, on_filler, on_slate or stopping."""
    reason: str
    """Why the channel is in that state, for people."""
    since_wall: float
    rung: str
    healthy: bool
    """Media is leaving: the programme advances and every output that is meant to be on air is."""
    problems: tuple[str, ...]
    """Why not healthy, one line each."""
    paused: bool
    now: ItemStatus | None
    position_seconds: float
    next_items: tuple[ItemStatus, ...]
    buffer_seconds: float
    program_seconds: float
    gap_seconds: float
    skew_seconds: float
    streams_played: int
    uptime_seconds: float
    outputs: tuple[OutputStatus, ...]
    warnings: tuple[str, ...] = field(default=())
    """What the operator should look at: bad playlist lines, quarantined items, a metrics port that was taken."""

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)
