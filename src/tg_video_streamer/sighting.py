"""When something was last seen to be true: a claim that nobody has looked at for three periods is not known to be true."""

from __future__ import annotations

from dataclasses import dataclass

PERIODS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """How long ago it was seen, and how often it is looked at."""

    seconds_ago: float
    period_seconds: float
    """From one look to the next at most, with the time that a look may take."""

    @property
    def stale(self) -> bool:
        """Too long ago: whether it is still true is unknown."""
        return self.seconds_ago > PERIODS * self.period_seconds
