"""Paces pictures and sound in the call: the program's rate with a constant delay; pure."""

from __future__ import annotations

LEAD_SECONDS = 0.4
"""The program comes in slices of 160 ms; so many of them are in hand that a busy host need not be waited for."""
_LATE_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 3.0


class Pacer:
    """Maps media time to the clock: both streams by one offset, so that they can never drift apart.

    What comes late moves the offset (a pause is better than a hurry); what has piled up to over 3 s moves it back.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self.stalls = 0
        """How often media came too late."""
        self.jumps = 0
        """How often media was passed over to catch up."""

    @property
    def started(self) -> bool:
        """Whether a time is set."""
        return self._offset is not None

    def due(self, media_seconds: float) -> float:
        """The clock's time for a media time; the first that is asked about after `start`."""
        assert self._offset is not None, "due before start"  # noqa: S101 - states the order of calls
        return media_seconds + self._offset

    def start(self, media_seconds: float, now: float) -> None:
        """Media begins at `media_seconds`, to be shown a little later than `now`."""
        self._offset = now + LEAD_SECONDS - media_seconds

    def late(self, media_seconds: float, now: float) -> bool:
        """Whether this was due too long ago; then it is due now, and all that follows by so much later."""
        if now - self.due(media_seconds) <= _LATE_SECONDS:
            return False
        self._offset = now - media_seconds
        self.stalls += 1
        return True

    def overdue(self, newest_seconds: float, now: float) -> bool:
        """Whether too much has piled up, the newest of it at `newest_seconds`; then all but the lead is due at once."""
        if self.due(newest_seconds) - now <= _LONGEST_DELAY_SECONDS:
            return False
        self._offset = now + LEAD_SECONDS - newest_seconds
        self.jumps += 1
        return True
