"""Makes the kept copy of an item ahead of need: a feed that nobody watches, at the lowest priority."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tg_video_streamer.errors import AlreadyCaching, StreamerError
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.media import seconds
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion

_LOOK_SECONDS = 0.1
"""At each look the whole buffer is emptied: it limits the speed to 150 times that of the item."""


class Made(StrEnum):
    """What came of it."""

    KEPT = "kept"
    """It is in the library now."""
    THERE = "there"
    """It was already."""
    ENDLESS = "endless"
    """A live stream: there is nothing to keep."""
    LIST = "list"
    """It is a list; its children are to be prepared."""
    ELSEWHERE = "elsewhere"
    """Another process is keeping it now, or another line of the list."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparation:
    """How the preparation of one item ended."""

    made: Made
    title: str = ""
    error: StreamerError | None = None
    """Why it failed; None also where it came to nothing without an error, such as a full disk."""
    expansion: Expansion | None = None


class UnhurriedFeed(Protocol):
    """Makes an unhurried feed of an item, one that keeps what it makes."""

    def __call__(self, item: Item) -> Feed:
        """The feed; it does nothing until its `run`."""


async def prepare(
    item: Item,
    make_feed: UnhurriedFeed,
    *,
    progressed: Callable[[float, float | None], None] = lambda _done, _whole: None,
) -> Preparation:
    """Encode `item` into the library. A function of plain data and a way to make a feed: it may run anywhere.

    `progressed` gets seconds done and of all, None where nobody knows.
    Cancelling leaves nothing behind.
    """
    feed = make_feed(item)
    async with asyncio.TaskGroup() as group:
        run = group.create_task(feed.run())
        try:
            while not run.done() and not feed.plays_cached and not feed.is_live:
                await asyncio.wait((run,), timeout=_LOOK_SECONDS)
                feed.buffer.drop_all()
                progressed(seconds(feed.buffer.taken_ticks), feed.duration_seconds)
        finally:
            # Its reader may wait for room.
            feed.buffer.close()
            run.cancel()
    return Preparation(made=_made(feed), title=feed.title, error=feed.last_error, expansion=feed.expansion)


def _made(feed: Feed) -> Made:
    if feed.plays_cached:
        return Made.THERE
    if feed.is_live:
        return Made.ENDLESS
    if feed.expansion is not None:
        return Made.LIST
    if feed.cache_complete:
        return Made.KEPT
    return Made.ELSEWHERE if isinstance(feed.last_error, AlreadyCaching) else Made.FAILED
