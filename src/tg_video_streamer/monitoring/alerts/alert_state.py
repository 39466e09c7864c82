"""One thing that can be in trouble: decides when it has been for long enough to tell, and when it is over; pure."""

from __future__ import annotations

from dataclasses import dataclass

SETTLED_SECONDS = 5.0
"""Trouble that comes back sooner than this was never over: it goes on as the same spell."""


@dataclass(kw_only=True, slots=True)
class AlertState:
    """A spell of trouble. Only time in trouble counts; all times are seconds of one monotonic clock.

    ```
    well ──begin──► bad ──end──► settling ──SETTLED_SECONDS──► well
                     ▲              │
                     └────begin─────┘
    ```
    """

    after_seconds: float
    """So long in trouble before it is told."""
    told: bool = False
    bad_since: float | None = None
    well_since: float | None = None
    """When the trouble ended that has not settled yet."""
    before_seconds: float = 0.0
    """Trouble of this spell before the present stretch of it."""

    def begin(self, now: float) -> None:
        """It is in trouble; again is no news."""
        if self.bad_since is None:
            self.bad_since, self.well_since = now, None

    def end(self, now: float) -> None:
        """It is well."""
        if self.bad_since is not None:
            self.before_seconds += now - self.bad_since
            self.bad_since, self.well_since = None, now

    def forget(self) -> None:
        """Nobody minds the trouble any more, such as the operator who has stopped it."""
        self.told, self.bad_since, self.well_since, self.before_seconds = False, None, None, 0.0

    def seconds(self, now: float) -> float:
        """How long it was in trouble in this spell."""
        return self.before_seconds + (0.0 if self.bad_since is None else now - self.bad_since)

    def due(self) -> float | None:
        """When `became_known` or `settled` will have something to say; None for not by itself."""
        if self.bad_since is not None:
            return None if self.told else self.bad_since + max(0.0, self.after_seconds - self.before_seconds)
        return None if self.well_since is None else self.well_since + SETTLED_SECONDS

    def became_known(self, now: float) -> bool:
        """True once a spell: it has been in trouble for long enough, and is still."""
        due = self.due()
        if self.bad_since is None or due is None or now < due:
            return False
        self.told = True
        return True

    def settled(self, now: float) -> float | None:
        """Once a spell that was told: how many seconds of trouble it was, after it is over for good."""
        due = self.due()
        if self.bad_since is not None or due is None or now < due:
            return None
        lasted = self.before_seconds if self.told else None
        self.forget()
        return lasted
