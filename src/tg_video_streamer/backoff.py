"""Growing pauses between retries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Pauses of `first`, `first * factor`, … seconds, at most `longest`; a pure function of the number of failures."""

    first: float
    longest: float
    factor: float = 2.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after the `failures`-th failure in a row; 0 for none."""
        if failures <= 0:
            return 0.0
        # The exponent is capped so that months of failures do not overflow a float.
        return min(self.longest, self.first * self.factor ** min(failures - 1, 64))
