"""What a feed reads: the spooled file of its item, the file while it grows, or the source itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs, ResolveError, SessionNeeded
from tg_video_streamer.playlist.item import DOWNLOADED, Item
from tg_video_streamer.resolve.growing import GrowthState
from tg_video_streamer.resolve.media import Expansion, Media, Resolve
from tg_video_streamer.spool.containers import readable
from tg_video_streamer.spool.entry import Entry, entry_report
from tg_video_streamer.spool.report import DownloadReport
from tg_video_streamer.spool.spool import Spool
from tg_video_streamer.spool.state import SpoolState

_log = structlog.get_logger(__name__)

SOON_SECONDS = 12.0
"""An item that is on air sooner than this must not wait for its download at any price."""
PATIENCE_SECONDS = 8.0
"""How long such an item waits while nothing is downloaded, before its source is read itself."""
LONGEST_SECONDS = 20.0
"""The same while something is: it comes after another, or cannot be read before it is whole."""
UNKNOWN_SECONDS = 60.0
"""The same for an item whose air time is unknown."""
FAILURES = 3
"""A download that has failed so often may be no fault of the site: then its source is tried itself."""
MOST_GROWING_READS = 4
"""An item that is begun so often while it grows cannot be read that way: it is waited for."""
_STEP_SECONDS = 0.25
_SETTLED = frozenset({SpoolState.WHOLE, SpoolState.FAILED})


class SpooledSource:
    """Resolves items for feeds, through the spool."""

    def __init__(self, spool: Spool, ask: Resolve, clock: Clock) -> None:
        """`ask` finds where an item is now, past the spool."""
        self._spool = spool
        self._ask = ask
        self._clock = clock
        self.eta: Callable[[Item], float | None] = lambda _: 0.0
        """Seconds until the first frame of an item is needed; None where unknown."""

    async def resolve(self, item: Item) -> Media | Expansion:
        """As `ask`, with local inputs where the spool has enough of them. Raises ResolveError."""
        if item.kind not in DOWNLOADED:
            return await self._ask(item)
        await self._spool.loaded.wait()
        entry = self._spool.entry(item)
        if entry.is_past:
            self._spool.forget(entry)
            entry = self._spool.entry(item)
        if entry.state is SpoolState.WHOLE and not entry.is_read_on and not self._spool.hangs:
            return entry.local()
        if entry.state is SpoolState.FAILED or entry.is_read_on or self._spool.hangs:
            found = await self._ask(item)
            return _direct(entry, found) if isinstance(found, Media) else found
        entry.waiting += 1
        try:
            found = await self._spool.answer(entry)
            if not isinstance(found, Media) or not self._spool.can(found):
                return found
            self._spool.hurry(entry)
            return await self._local(entry) or _direct(entry, found)
        finally:
            entry.waiting -= 1

    async def fetch(self, item: Item, *, progressed: Callable[[DownloadReport], None]) -> Expansion | None:
        """Wait until `item` is whole on the disk, or can be read as it comes. The list, if it is one.

        Raises ResolveError where its page does not answer, and SessionNeeded where there is no session.
        """
        if item.kind not in DOWNLOADED:
            return None
        await self._spool.loaded.wait()
        entry = self._spool.entry(item)
        entry.waiting += 1
        try:
            if entry.state in _SETTLED:
                return None
            found = await self._spool.answer(entry)
            if not isinstance(found, Media) or not self._spool.can(found):
                return found if isinstance(found, Expansion) else None
            self._spool.hurry(entry)
            while entry.state not in _SETTLED:
                entry.changed.clear()
                if entry.window is not None and await _enough(entry):
                    return None
                progressed(entry_report(entry))
                if isinstance(entry.error, SessionNeeded):
                    raise entry.error
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STEP_SECONDS):
                        await entry.changed.wait()
        finally:
            entry.waiting -= 1
        return None

    async def _local(self, entry: Entry) -> Media | None:
        """The files once they can be read; None where the source is to be read itself."""
        patience = _Patience(self._clock.monotonic())
        while True:
            entry.changed.clear()
            if entry.state is SpoolState.WHOLE:
                return entry.local()
            if entry.state is SpoolState.FAILED or (self._spool.hangs and self._direct_is_possible(entry)):
                return None
            if entry.growing_reads < MOST_GROWING_READS and await _enough(entry):
                entry.growing_reads += 1
                return entry.local()
            patience.look(self._clock.monotonic(), have=self._spool.received_bytes, eta=self.eta(entry.item))
            if patience.over(failures=entry.failures) and self._direct_is_possible(entry):
                return None
            with suppress(TimeoutError):
                async with asyncio.timeout(_STEP_SECONDS):
                    await entry.changed.wait()

    def _direct_is_possible(self, entry: Entry) -> bool:
        return isinstance(entry.answer, Media) and all(
            one.location and not one.whole_only for one in entry.answer.inputs
        )


class _Patience:
    """How long a feed has waited, and for what."""

    def __init__(self, now: float) -> None:
        self._began = self._moved = self._now = now
        self._soon_since: float | None = None
        self._have = 0
        self._unknown = False

    def look(self, now: float, *, have: int, eta: float | None) -> None:
        """`have`: all bytes that were downloaded; `eta`: when the item is needed, in seconds."""
        self._now = now
        if have != self._have:
            self._have, self._moved = have, now
        self._unknown = eta is None
        if eta is None or eta > SOON_SECONDS:
            self._soon_since = None
        elif self._soon_since is None:
            self._soon_since = now

    def over(self, *, failures: int) -> bool:
        """Whether the source is to be read itself. While its downloads fail, that would most likely fail too."""
        if self._unknown:
            return self._now - self._began > UNKNOWN_SECONDS
        if self._soon_since is None or 0 < failures < FAILURES:
            return False
        waited = self._now - self._soon_since
        return waited > LONGEST_SECONDS or min(waited, self._now - self._moved) > PATIENCE_SECONDS


async def _enough(entry: Entry) -> bool:
    """Whether all files of an entry can be read from their start now; not while their disk hangs."""
    try:
        return await DISKS.run(entry.folder.folder, _is_enough, entry)
    except DiskHangs:
        return False


def _is_enough(entry: Entry) -> bool:
    return bool(entry.growing) and all(
        one.state is GrowthState.WHOLE or readable(one.path, one.size) for one in entry.growing
    )


def _direct(entry: Entry, found: Media) -> Media:
    """The source itself. Raises ResolveError where only a download can read it."""
    if all(one.location for one in found.inputs):
        _log.info("read from its source, not from the spool", key=entry.item.key)
        return found
    raise entry.error if isinstance(entry.error, ResolveError) else ResolveError.of("spool.not_yet")
