"""Decides when one problem has lasted long enough to raise an alert, and when that is resolved; pure."""

from __future__ import annotations

from dataclasses import dataclass

COOLDOWN_SECONDS = 5.0
"""A problem that returns within this time never ended: the same alert continues."""


@dataclass(kw_only=True, slots=True)
class AlertState:
    """The state of one alert. Only time with the problem counts; all times are seconds of one monotonic clock.

    ```
    ok ──start──► active ──end──► cooldown ──COOLDOWN_SECONDS──► ok
                     ▲                │
                     └─────start──────┘
    ```
    """

    after_seconds: float
    """How long the problem must last before the alert is raised."""
    raised: bool = False
    active_since: float | None = None
    ended_at: float | None = None
    """The start of the cooldown."""
    earlier_seconds: float = 0.0
    """How long the problem lasted before `active_since`, as part of the same alert."""

    def start(self, now: float) -> None:
        """The problem is there; a repetition changes nothing."""
        if self.active_since is None:
            self.active_since, self.ended_at = now, None

    def end(self, now: float) -> None:
        """The problem is gone."""
        if self.active_since is not None:
            self.earlier_seconds += now - self.active_since
            self.active_since, self.ended_at = None, now

    def reset(self) -> None:
        """Forget the alert without resolving it, as when the operator has stopped what had the problem."""
        self.raised, self.active_since, self.ended_at, self.earlier_seconds = False, None, None, 0.0

    def duration(self, now: float) -> float:
        """How long the problem has lasted, in seconds."""
        return self.earlier_seconds + (0.0 if self.active_since is None else now - self.active_since)

    def next_change(self) -> float | None:
        """When to call `raise_at` or `resolve_at` again; None where time alone changes nothing."""
        if self.active_since is not None:
            return None if self.raised else self.active_since + max(0.0, self.after_seconds - self.earlier_seconds)
        return None if self.ended_at is None else self.ended_at + COOLDOWN_SECONDS

    def raise_at(self, now: float) -> bool:
        """Raise the alert; True once, when the problem has lasted for `after_seconds`."""
        change = self.next_change()
        if self.active_since is None or change is None or now < change:
            return False
        self.raised = True
        return True

    def resolve_at(self, now: float) -> float | None:
        """Resolve the alert after its cooldown; the problem's duration where the alert was raised, else None."""
        change = self.next_change()
        if self.active_since is not None or change is None or now < change:
            return None
        duration = self.earlier_seconds if self.raised else None
        self.reset()
        return duration
