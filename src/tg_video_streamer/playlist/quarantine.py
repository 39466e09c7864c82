"""Which items wait after failures, and for how long; pure but for the clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.rotation import Rotation

ITEM_PAUSES = Backoff(first=60.0, longest=1800.0)
"""Seconds between attempts at one item."""
GONE_SECONDS = 1800.0
"""The same for a source that is gone for good."""
SHARED_PAUSES = Backoff(first=1.0, longest=120.0)
"""Seconds between attempts at any item while all fail."""
_MOST_FAILURES = 100
"""What a damaged file may say at most."""
FREE_FAILURES = 3
"""So many failures in a row cause no shared pause: viewers must not notice a few dead links."""


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
    """It failed after the last success of any item."""


class Quarantine:
    """Counts failures per item key, and in a row over all items."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._in_a_row = 0
        self._shared_until = 0.0

    def failed(self, key: str, reason: str = "", *, gone: bool = False) -> float:
        """An attempt at `key` failed; the seconds until its next one. `gone`: retrying does not help."""
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

    def rest(self, key: str, reason: str, seconds: float) -> None:
        """`key` is not ready: it is tried again after `seconds`, and this counts as no failure."""
        now = self._clock.monotonic()
        record = self._records.setdefault(key, _Record(failures=0, reason="", last=now, until=now, in_a_row=False))
        record.reason, record.last, record.until = reason, now, now + seconds

    def succeeded(self, key: str) -> None:
        """`key` plays: its pauses and the shared one are reset."""
        self._records.pop(key, None)
        for record in self._records.values():
            record.in_a_row = False
        self._in_a_row = 0
        self._shared_until = 0.0

    def keep_only(self, keys: Iterable[str]) -> None:
        """Forget items that are not in the edited playlist (`keys`, expanded children included), and `relax`."""
        known = set(keys)
        self._records = {key: record for key, record in self._records.items() if key in known}
        self.relax()

    def relax(self) -> None:
        """Let failed items be tried again, but no sooner than a minute after the last attempt.

        An editor that saves every second must not cause attempts every second.
        """
        for record in self._records.values():
            record.failures = 1
            record.in_a_row = False
            record.until = min(record.until, record.last + ITEM_PAUSES.first)
        self._in_a_row = min(self._in_a_row, FREE_FAILURES)
        self._shared_until = 0.0

    def release(self, key: str) -> bool:
        """Let `key` be tried at its next turn; False where it is not resting."""
        if not any(one.key == key for one in self.resting()):
            return False
        del self._records[key]
        self._shared_until = 0.0
        return True

    def known(self, key: str) -> Resting | None:
        """`key` where it is resting, else None."""
        return next((one for one in self.resting() if one.key == key), None)

    def available(self, key: str) -> bool:
        """Whether an attempt at `key` may be made now."""
        now = self._clock.monotonic()
        if now < self._shared_until:
            return False
        record = self._records.get(key)
        return record is None or now >= record.until

    @property
    def all_fail(self) -> bool:
        """No item has succeeded for a while: one attempt at a time is enough."""
        return self._in_a_row > FREE_FAILURES

    def seconds_to_wait(self) -> float:
        """The shortest time until an item may be tried; for a caller that found none available."""
        now = self._clock.monotonic()
        ends = [record.until for record in self._records.values() if record.until > now]
        if now < self._shared_until:
            return self._shared_until - now
        return min(ends, default=now) - now

    def pick(self, rotation: Rotation) -> Item | None:
        """The item to try next; None: wait for `seconds_to_wait` and call again.

        While all items fail, those not tried since the last success come first, then the one tried longest ago: one good
        item at the end of a dead list is found.
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

    def saved(self, *, wall: float) -> list[dict[str, Any]]:
        """What failed, as JSON values, for `restore` in another process at another time."""
        now = self._clock.monotonic()
        return [
            {
                "key": key,
                "failures": record.failures,
                "reason": record.reason,
                "until": round(wall + record.until - now),
            }
            for key, record in self._records.items()
            if record.failures and record.until > now
        ]

    def restore(self, saved: list[dict[str, Any]], *, wall: float) -> None:
        """Let what failed rest on, a minute at most: a restart may have mended it. Raises KeyError, TypeError and ValueError."""
        now = self._clock.monotonic()
        found = {
            str(one["key"]): _Record(
                failures=max(1, min(int(one["failures"]), _MOST_FAILURES)),
                reason=str(one["reason"]),
                last=now,
                until=now + min(max(0.0, float(one["until"]) - wall), ITEM_PAUSES.first),
                in_a_row=False,
            )
            for one in saved
        }
        self._records.update(found)

    def resting(self) -> tuple[Resting, ...]:
        """Every item in quarantine, for the status."""
        now = self._clock.monotonic()
        return tuple(
            Resting(key=key, failures=record.failures, reason=record.reason, seconds_left=record.until - now)
            for key, record in self._records.items()
            if record.until > now
        )
