"""Encodes coming items into the library ahead of time: one at a time, at the lowest priority, or has others do it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.feed.prepare import PreparedItem, PrepareResult, PreparingFeed, prepare_item
from tg_video_streamer.library.library import Grade, Library, Remembered
from tg_video_streamer.playlist.item import Item, LocatorKind

_log = structlog.get_logger(__name__)

AHEAD_ITEMS = 50
"""How many coming items are considered."""
NEXT_ITEMS = 3
"""The cached encodes of so many next items are not pruned."""
CHECK_SECONDS = 5.0
RETRY_SECONDS = 3600.0
"""When an item that could not be prepared, or has no known end, is tried again."""
BUSY_SECONDS = 60.0
"""The same for one that another feed or process is caching."""
ELSEWHERE_SECONDS = 10.0
"""When an item that another host encodes, or that could not be had now, is looked at again."""
FULL_PART = 0.9
"""Above this part of the library's size nothing is prepared: it would only push out other encodes."""


Elsewhere = Callable[[Item, int], Awaitable[bool]]
"""Whether the encode of an item is there now, or is being made, by another host; with its place among the coming items."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Coming:
    item: Item
    place: int
    """Among the coming items, from 0."""
    ready: bool
    """It may be read here."""


class Preparer:
    """Belongs to the event loop; `run` lasts until it is cancelled."""

    def __init__(
        self,
        library: Library,
        *,
        upcoming: Callable[[int], Sequence[Item]],
        calm: Callable[[], bool],
        make_feed: PreparingFeed,
        clock: Clock,
        logo: Callable[[], str] = str,
        ready: Callable[[Item], bool] = lambda _: True,
        elsewhere: Elsewhere | None = None,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        """`upcoming` returns the next items, soonest first, `calm` whether the program can spare the CPU.

        `logo` returns the digest of the logo that they will show, `ready` whether an item may be read now. `elsewhere` is
        asked first, also while there is no CPU to spare; None for a channel of one host.
        """
        self._library = library
        self._upcoming = upcoming
        self._calm = calm
        self._make_feed = make_feed
        self._clock = clock
        self._logo = logo
        self._ready = ready
        self._elsewhere = elsewhere
        self._check_seconds = check_seconds
        self._not_before: dict[str, float] = {}
        self._wanted: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Prepare one item after the other until cancelled."""
        while True:
            calm = self._calm()
            coming = await asyncio.to_thread(self._next) if calm or self._elsewhere is not None else None
            if coming is None:
                await asyncio.sleep(self._check_seconds)
            elif self._elsewhere is not None and await self._elsewhere(coming.item, coming.place):
                self._later(coming.item, ELSEWHERE_SECONDS)
            elif calm and coming.ready:
                self._learn(coming.item, await prepare_item(coming.item, self._make_feed))
            else:
                self._later(coming.item, ELSEWHERE_SECONDS)

    def _next(self) -> _Coming | None:
        """The item to prepare now; None where there is none, or no space. Reads the library's index."""
        self._protect_next()
        if self._library.bytes >= FULL_PART * self._library.max_bytes:
            return None
        now = self._clock.monotonic()
        self._not_before = {key: until for key, until in self._not_before.items() if until > now}
        coming = (
            _Coming(item=item, place=place, ready=self._ready(item))
            for place, item in enumerate(self._upcoming(AHEAD_ITEMS))
            if item.key not in self._not_before and item.kind is not LocatorKind.LIVE
        )
        logo = self._logo()
        better: list[_Coming] = []
        for one in coming:
            if not one.ready and self._elsewhere is None:
                continue
            known = self._library.remembered(one.item, logo=logo)
            if known is None:
                return one
            if self._may_be_better(one.item, known, logo=logo):
                better.append(one)
        return next(iter(better), None)

    def _later(self, item: Item, seconds: float) -> None:
        self._not_before[item.key] = self._clock.monotonic() + seconds

    def _may_be_better(self, item: Item, known: Remembered, *, logo: str) -> bool:
        """Whether a live encode is to be replaced by a prepared one, which pushes out no other."""
        if self._library.bytes + known.encode.bytes >= FULL_PART * self._library.max_bytes:
            return False
        return self._library.remembered(item, logo=logo, least=Grade.PREPARED) is None

    def _protect_next(self) -> None:
        logo = self._logo()
        found = [self._library.remembered(item, logo=logo) for item in self._upcoming(NEXT_ITEMS)]
        wanted = frozenset(one.encode.key for one in found if one is not None)
        if wanted != self._wanted:
            self._wanted = wanted
            self._library.prune(wanted=wanted)

    def _learn(self, item: Item, ended: PreparedItem) -> None:
        self._later(item, BUSY_SECONDS if ended.result is PrepareResult.BUSY else RETRY_SECONDS)
        if ended.result is PrepareResult.CACHED:
            _log.info("item prepared", key=item.key, title=ended.title)
        elif ended.error is not None:
            _log.debug("item not prepared", key=item.key, why=str(ended.error))
