"""Slows guesses of tokens down: each further wrong one waits longer for its answer, and the right one never waits."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass

from tg_video_streamer.clock import Clock
from tg_video_streamer.web.auth.client_address import Client

FREE_FAILURES = 5
"""Wrong tokens of one client that are answered at once."""
FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 8.0
"""Each further wrong token doubles the delay, up to this."""
RESET_SECONDS = 600.0
"""A client without failures for this time starts over."""
MAX_WAITING = 16
MAX_WAITING_PER_CLIENT = 4
"""Answers that wait at one time; a further one is given at once, and its connection is closed."""
_MAX_CLIENTS = 4096


@dataclass(kw_only=True, slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One wrong token: the how-many-eth of its client, and how long its answer has to wait."""

    count: int
    delay_seconds: float

    @property
    def is_logged(self) -> bool:
        """The first ones, and then ever fewer: a guesser must not fill the log."""
        return self.count <= FREE_FAILURES or self.count & (self.count - 1) == 0


class WrongTokens:
    """Counts wrong tokens of each client. A right one neither waits nor clears the count: others may share the address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: OrderedDict[Client, _Record] = OrderedDict()
        self._waiting: Counter[Client] = Counter()

    def failed(self, client: Client) -> Failure:
        """Count a wrong token of `client`."""
        now = self._clock.monotonic()
        record = self._records.pop(client, None)
        if record is None or now - record.last > RESET_SECONDS:
            record = _Record()
        record.failures += 1
        record.last = now
        self._records[client] = record
        if len(self._records) > _MAX_CLIENTS:
            self._records.popitem(last=False)
        beyond = record.failures - FREE_FAILURES - 1
        # The exponent is bounded: larger powers overflow a float.
        delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(beyond, 16)) if beyond >= 0 else 0.0
        return Failure(count=record.failures, delay_seconds=delay)

    async def wait(self, client: Client, seconds: float) -> bool:
        """Wait before a wrong token of `client` is answered; False at once where too many answers wait already."""
        if self._waiting[client] >= MAX_WAITING_PER_CLIENT or self._waiting.total() >= MAX_WAITING:
            return False
        self._waiting[client] += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting[client] -= 1
            self._waiting += Counter()  # drops zeros
        return True
