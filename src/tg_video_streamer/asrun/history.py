"""History as plain values: the last 24 hours by level, and the last minutes of buffer and bitrate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

BAND_SECONDS = 24 * 3600.0
"""How far back the history goes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelSpan:
    """When viewers were on one level, in seconds since 1970; between two spans nothing was on air."""

    starts_wall: float
    ends_wall: float
    level: str
    gap_seconds: float = 0.0
    """By how much the program was late."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A few figures at one moment; `bits_per_second` by output."""

    wall: float
    buffer_seconds: float
    bits_per_second: dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """Spans and samples, oldest first; `gap_seconds_today` counts from midnight in UTC."""

    spans: tuple[LevelSpan, ...]
    samples: tuple[Sample, ...]
    gap_seconds_today: float

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)
