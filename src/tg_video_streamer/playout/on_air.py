"""What viewers see at one moment, for whoever tells of it."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.playout.source import AirSource


@dataclass(frozen=True, kw_only=True, slots=True)
class OnAir:
    """One moment of the program."""

    showing: AirSource
    since_wall: float
    reason: str
    own_seconds: float
    """Position in the showing's own time."""
