"""Which items rest after failures, and for how long; pure but for the clock, so a dead playlist costs next to nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.rotation import Rotation

ITEM_PAUSES = Backoff(first=60.0, longest=1800.0)
"""Seconds between attempts at one item."""
GONE_SECONDS = 1800.0
"""The same for a source that said that it will not come back."""
SHARED_PAUSES = Backoff(first=1.0, longest=120.0)
"""Seconds between attempts at anything while everything fails."""
FREE_FAILURES = 3
"""So many failures in a row cost no shared pause: a few dead links in a good list must not show."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resting:
    """An item in quarantine."""

    key: str
    failures: int
    reason: str
    seconds_left: float


@dataclass(kw_only=True, slots=True)
class _Record:
    failures: int
    reason: str
    last: float
    until: float
    in_a_row: bool
    """It failed since anything last succeeded."""


class Quarantine:
    """Failures per item key, and in a row over all of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._in_a_row = 0
        self._shared_until = 0.0

    def failed(self, key: str, reason: str = "", *, gone: bool = False) -> float:
        """An attempt at `key` failed; returns the seconds until its next one. `gone`: it will not come back by itself."""
        now = self._clock.monotonic()
        record = self._records.setdefault(key, _Record(failures=0, reason="", last=now, until=now, in_a_row=True))
        record.failures += 1
        pause = ITEM_PAUSES.pause(record.failures)
        if gone:
            pause = max(pause, GONE_SECONDS)
        record.reason, record.last, record.until, record.in_a_row = reason, now, now + pause, True
        self._in_a_row += 1
        self._shared_until = now + SHARED_PAUSES.pause(self._in_a_row - FREE_FAILURES)
        return pause

    def succeeded(self, key: str) -> None:
        """`key` plays: it and the shared pause begin anew."""
        self._records.pop(key, None)
        for record in self._records.values():
            record.in_a_row = False
        self._in_a_row = 0
        self._shared_until = 0.0

    def edited(self, keys: Iterable[str]) -> None:
        """The playlist was edited and now has `keys` (expanded children included): records of others go.

        What is left may be tried again soon.
        """
        wanted = set(keys)
        self._records = {key: record for key, record in self._records.items() if key in wanted}
        self.ease()

    def ease(self) -> None:
        """What failed may work by now, so let all be tried again, but no sooner than a minute after its last attempt.

        An editor that saves every second must not turn into attempts every second.
        """
        for record in self._records.values():
            record.failures = 1
            record.in_a_row = False
            record.until = min(record.until, record.last + ITEM_PAUSES.first)
        self._in_a_row = min(self._in_a_row, FREE_FAILURES)
        self._shared_until = 0.0

    def available(self, key: str) -> bool:
        """Whether an attempt at `key` may be made now."""
        now = self._clock.monotonic()
        if now < self._shared_until:
            return False
        record = self._records.get(key)
        return record is None or now >= record.until

    @property
    def all_fail(self) -> bool:
        """Nothing has succeeded for a while: one attempt at a time is enough."""
        return self._in_a_row > FREE_FAILURES

    def seconds_to_wait(self) -> float:
        """How long until the next thing may be tried, at least; what the caller sleeps when nothing is available."""
        now = self._clock.monotonic()
        ends = [record.until for record in self._records.values() if record.until > now]
        if now < self._shared_until:
            return self._shared_until - now
        return min(ends, default=now) - now

    def pick(self, rotation: Rotation) -> Item | None:
        """What to try next: the next available item of `rotation`; None to wait for `seconds_to_wait` and ask again.

        While everything fails, those that have not been tried since then come first and the longest untried after
        them, so that one good item at the end of a dead list is found.
        """
        if self._clock.monotonic() < self._shared_until:
            return None
        untried = rotation.next_available(lambda item: self.available(item.key) and not self._failed_in_a_row(item.key))
        if untried is not None:
            return untried
        tried = [item for item in rotation.upcoming() if self.available(item.key)]
        return min(tried, key=lambda item: self._records[item.key].last, default=None)

    def _failed_in_a_row(self, key: str) -> bool:
        record = self._records.get(key)
        return record is not None and record.in_a_row

    def resting(self) -> tuple[Resting, ...]:
        """Every item in quarantine, for the status."""
        now = self._clock.monotonic()
        return tuple(
            Resting(key=key, failures=record.failures, reason=record.reason, seconds_left=record.until - now)
            for key, record in self._records.items()
            if record.until > now
        )
