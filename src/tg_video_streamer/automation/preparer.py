"""Prepares the coming items in the library while one is on air: one at a time, behind everything else on the host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.feed.prepare import PreparedItem, PrepareResult, PreparingFeed, prepare_item
from tg_video_streamer.library.library import Library
from tg_video_streamer.playlist.item import Item

_log = structlog.get_logger(__name__)

AHEAD_ITEMS = 50
"""How far it looks down the list."""
NEXT_ITEMS = 3
"""So many of the next items' copies are not pruned."""
LOOK_SECONDS = 5.0
AGAIN_SECONDS = 3600.0
"""An item that could not be prepared is tried again after so long, and one of no known end is looked at again."""
SOON_SECONDS = 60.0
"""The same for one that somebody else is keeping."""
FULL_PART = 0.9
"""From this part of the library's size on nothing is prepared: it would only push out what was kept before."""


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
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """`upcoming` gives the next items, soonest first; `calm` says whether the program needs no help.

        `logo` gives the digest of the logo that they will show.
        """
        self._library = library
        self._upcoming = upcoming
        self._calm = calm
        self._make_feed = make_feed
        self._clock = clock
        self._logo = logo
        self._look_seconds = look_seconds
        self._not_before: dict[str, float] = {}
        self._wanted: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Prepare one item after the other, for ever."""
        while True:
            item = await asyncio.to_thread(self._next) if self._calm() else None
            if item is None:
                await asyncio.sleep(self._look_seconds)
            else:
                self._learn(item, await prepare_item(item, self._make_feed))

    def _next(self) -> Item | None:
        """What to prepare now; None where nothing is left, or has room. Looks into the index."""
        self._protect_next()
        if self._library.bytes >= FULL_PART * self._library.max_bytes:
            return None
        now = self._clock.monotonic()
        self._not_before = {key: until for key, until in self._not_before.items() if until > now}
        coming = (item for item in self._upcoming(AHEAD_ITEMS) if item.key not in self._not_before)
        logo = self._logo()
        return next((item for item in coming if self._library.remembered(item, logo=logo) is None), None)

    def _protect_next(self) -> None:
        logo = self._logo()
        found = [self._library.remembered(item, logo=logo) for item in self._upcoming(NEXT_ITEMS)]
        wanted = frozenset(one.encode.key for one in found if one is not None)
        if wanted != self._wanted:
            self._wanted = wanted
            self._library.prune(wanted=wanted)

    def _learn(self, item: Item, ended: PreparedItem) -> None:
        pause = SOON_SECONDS if ended.result is PrepareResult.BUSY else AGAIN_SECONDS
        self._not_before[item.key] = self._clock.monotonic() + pause
        if ended.result is PrepareResult.CACHED:
            _log.info("item prepared", key=item.key, title=ended.title)
        elif ended.error is not None:
            _log.debug("item not prepared", key=item.key, why=str(ended.error))
