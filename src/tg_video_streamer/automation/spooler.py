"""Looks ahead by time: asks the spool for what the next minutes of the program need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

from tg_video_streamer.clock import Clock
from tg_video_streamer.library.library import Library
from tg_video_streamer.playlist.item import DOWNLOADED, Item
from tg_video_streamer.spool.spool import Spool
from tg_video_streamer.spool.state import SpoolState

AHEAD_SECONDS = 600.0
"""At least so much of the coming program is asked for, as far as the spool has room."""
AHEAD_ITEMS = 64
"""How many coming items are considered."""
AT_LEAST_ITEMS = 2
"""So many items that are not cached are downloaded whenever they play: the preparer encodes them from the spool."""
CHECK_SECONDS = 0.5
_AGAIN_SECONDS = 15.0
"""A plan is made again after so long, though nothing has changed but the time."""


class Spooler:
    """Belongs to the event loop; `run` lasts until it is cancelled."""

    def __init__(
        self,
        spool: Spool,
        *,
        upcoming: Callable[[int], Sequence[Item]],
        used: Callable[[], Sequence[Item]],
        left_seconds: Callable[[], float],
        clock: Clock,
        library: Library | None = None,
        logo: Callable[[], str] = str,
    ) -> None:
        """`upcoming` returns the next items, soonest first; `used` those that feeds play or prime.

        `left_seconds`: what is left of the item on air. Items that `library` has need no download.
        """
        self._spool = spool
        self._upcoming = upcoming
        self._used = used
        self._left_seconds = left_seconds
        self._clock = clock
        self._library = library
        self._logo = logo
        self._planned: tuple[object, ...] = ()
        self._planned_at = 0.0

    async def run(self) -> None:
        """Keep the spool's plan up to date until cancelled."""
        await self._spool.loaded.wait()
        while True:
            await self._plan()
            await asyncio.sleep(CHECK_SECONDS)

    async def _plan(self) -> None:
        coming, used = self._upcoming(AHEAD_ITEMS), self._used()
        state = (
            tuple(item.key for item in coming),
            tuple(item.key for item in used),
            self._library.items if self._library is not None else 0,
            self._spool.revision,
        )
        now = self._clock.monotonic()
        if state == self._planned and now - self._planned_at < _AGAIN_SECONDS:
            return
        self._planned, self._planned_at = state, now
        web = [item for item in coming if item.kind in DOWNLOADED]
        cached = await asyncio.to_thread(self._cached, web) if web else {}
        wanted = needed(coming, left_seconds=self._left_seconds(), lengths=self._length, cached=cached)
        self._spool.plan([item for item in wanted if not self._failed(item)], used)

    def _cached(self, items: Iterable[Item]) -> dict[str, float]:
        """The lengths of the cached encodes, by the key of their items; reads the library's index."""
        if self._library is None:
            return {}
        logo = self._logo()
        found = {item.key: self._library.remembered(item, logo=logo) for item in items}
        return {key: one.encode.seconds for key, one in found.items() if one is not None}

    def _length(self, item: Item) -> float | None:
        entry = self._spool.known(item)
        return entry.duration_seconds if entry is not None else None

    def _failed(self, item: Item) -> bool:
        entry = self._spool.known(item)
        return entry is not None and entry.state is SpoolState.FAILED and self._clock.monotonic() < entry.not_before


def needed(
    coming: Sequence[Item],
    *,
    left_seconds: float,
    lengths: Callable[[Item], float | None],
    cached: dict[str, float],
) -> list[Item]:
    """The items to download for the next minutes, soonest first; pure. An unknown length counts as none.

    `left_seconds`: of the item on air. `cached`: the lengths of items that are played from the library, by key.
    """
    return list(_needed(coming, left_seconds, lengths, cached))


def _needed(
    coming: Sequence[Item], ahead: float, lengths: Callable[[Item], float | None], cached: dict[str, float]
) -> Iterator[Item]:
    found = 0
    for item in coming:
        if ahead >= AHEAD_SECONDS and found >= AT_LEAST_ITEMS:
            return
        if item.key in cached:
            ahead += cached[item.key]
            continue
        if item.kind in DOWNLOADED:
            found += 1
            yield item
        ahead += lengths(item) or 0.0
