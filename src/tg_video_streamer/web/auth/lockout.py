"""How often a token may be guessed: a few times an address, then not for longer and longer, and a limit for all together."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TypeVar

from tg_video_streamer.clock import Clock

Value = TypeVar("Value")

FREE_FAILURES = 5
"""Wrong tokens from one address before it has to wait."""
FIRST_LOCK_SECONDS = 60.0
LONGEST_LOCK_SECONDS = 3600.0
"""Each further wrong token doubles the wait, up to this."""
FORGOTTEN_SECONDS = 24 * 3600.0
"""An address that has been quiet for so long begins anew."""
ALL_FAILURES, ALL_SECONDS = 60, 600.0
"""Wrong tokens from all addresses together within that time; then only addresses that signed in before may try."""
_MOST_ADDRESSES = 4096


@dataclass(kw_only=True, slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0
    locked_until: float = 0.0


class Lockout:
    """Counts wrong tokens; a right one during a lock-out is refused too, or the lock-out would stop nobody."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._welcome: OrderedDict[str, float] = OrderedDict()
        self._failures: deque[float] = deque(maxlen=ALL_FAILURES)

    def wait_seconds(self, address: str) -> float:
        """How long `address` has to wait before its next try; 0: it may try now."""
        now = self._clock.monotonic()
        record = self._records.get(_network(address))
        own = record.locked_until - now if record is not None else 0.0
        return max(0.0, own, self._wait_of_all(address, now))

    def failed(self, address: str) -> float:
        """A wrong token came from `address`; how long it has to wait now."""
        now = self._clock.monotonic()
        self._failures.append(now)
        key = _network(address)
        record = self._records.pop(key, None)
        if record is None or now - record.last > FORGOTTEN_SECONDS:
            record = _Record()
        record.failures += 1
        record.last = now
        if (beyond := record.failures - FREE_FAILURES) >= 0:
            # The exponent is bounded: a power of thousands is no float.
            record.locked_until = now + min(LONGEST_LOCK_SECONDS, FIRST_LOCK_SECONDS * 2.0 ** min(beyond, 16))
        _put(self._records, key, record)
        return self.wait_seconds(address)

    def succeeded(self, address: str) -> None:
        """A right token came from `address`."""
        key = _network(address)
        self._records.pop(key, None)
        self._welcome.pop(key, None)
        _put(self._welcome, key, self._clock.monotonic())

    def _wait_of_all(self, address: str, now: float) -> float:
        if len(self._failures) < ALL_FAILURES or _network(address) in self._welcome:
            return 0.0
        return self._failures[0] + ALL_SECONDS - now


def _put(table: OrderedDict[str, Value], key: str, value: Value) -> None:
    """Keep `value` as the newest; the oldest goes where there are too many."""
    table[key] = value
    if len(table) > _MOST_ADDRESSES:
        table.popitem(last=False)


def _network(address: str) -> str:
    """What one person has: an IPv4 address, or the /64 of an IPv6 one, out of which a host may take any."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
