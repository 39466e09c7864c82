"""Limits guesses of tokens: growing lock-outs for each address, and one limit for all addresses together."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TypeVar

from tg_video_streamer.clock import Clock

Value = TypeVar("Value")

FREE_FAILURES = 5
"""Wrong tokens from one address before its first lock-out."""
FIRST_LOCK_SECONDS = 60.0
LONGEST_LOCK_SECONDS = 3600.0
"""Each further wrong token doubles the lock-out, up to this."""
RESET_SECONDS = 24 * 3600.0
"""An address without failures for this time starts over."""
ALL_FAILURES, ALL_SECONDS = 60, 600.0
"""Wrong tokens from all addresses in this time; above, only addresses that signed in before may try."""
_MAX_ADDRESSES = 4096


@dataclass(kw_only=True, slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0
    locked_until: float = 0.0


class Lockout:
    """Counts wrong tokens. A correct one during a lock-out is refused too, or guessing would still work."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._trusted: OrderedDict[str, float] = OrderedDict()
        self._failures: deque[float] = deque(maxlen=ALL_FAILURES)

    def wait_seconds(self, address: str) -> float:
        """Seconds until `address` may try again; 0: now."""
        now = self._clock.monotonic()
        record = self._records.get(_network(address))
        own = record.locked_until - now if record is not None else 0.0
        return max(0.0, own, self._global_wait_seconds(address, now))

    def failed(self, address: str) -> float:
        """Count a wrong token from `address`; returns its new wait in seconds."""
        now = self._clock.monotonic()
        self._failures.append(now)
        key = _network(address)
        record = self._records.pop(key, None)
        if record is None or now - record.last > RESET_SECONDS:
            record = _Record()
        record.failures += 1
        record.last = now
        if (beyond := record.failures - FREE_FAILURES) >= 0:
            # The exponent is bounded: larger powers overflow a float.
            record.locked_until = now + min(LONGEST_LOCK_SECONDS, FIRST_LOCK_SECONDS * 2.0 ** min(beyond, 16))
        _put(self._records, key, record)
        return self.wait_seconds(address)

    def succeeded(self, address: str) -> None:
        """Forget the failures of `address` and trust it."""
        key = _network(address)
        self._records.pop(key, None)
        self._trusted.pop(key, None)
        _put(self._trusted, key, self._clock.monotonic())

    def _global_wait_seconds(self, address: str, now: float) -> float:
        if len(self._failures) < ALL_FAILURES or _network(address) in self._trusted:
            return 0.0
        return self._failures[0] + ALL_SECONDS - now


def _put(table: OrderedDict[str, Value], key: str, value: Value) -> None:
    """Store `value` as the newest; drop the oldest above the limit."""
    table[key] = value
    if len(table) > _MAX_ADDRESSES:
        table.popitem(last=False)


def _network(address: str) -> str:
    """The unit of one client: an IPv4 address or an IPv6 /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
