"""Encodes an item into the library before it is needed, at the lowest priority."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from tg_video_streamer.errors import AlreadyCaching, StreamerError
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.media import seconds
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion

_DRAIN_SECONDS = 0.1
"""How often the whole buffer is emptied: this limits the speed to 150 times real time."""

PreparingFeed = Callable[[Item], Awaitable[Feed]]
"""Makes a feed in the mode PREPARING; it does nothing until its `run`. The first call may try the format, which takes seconds."""


class PrepareResult(StrEnum):
    """How the preparation of an item ended."""

    CACHED = "cached"
    """It was encoded into the library."""
    ALREADY_CACHED = "already_cached"
    LIVE = "live"
    """A live stream: it cannot be cached."""
    LIST = "list"
    """It is a list; its children are to be prepared."""
    BUSY = "busy"
    """Another process or playlist line is encoding it now."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedItem:
    """The result for one item."""

    result: PrepareResult
    title: str = ""
    error: StreamerError | None = None
    """Why it failed; None also where no error was raised, such as on a full disk."""
    expansion: Expansion | None = None


async def prepare_item(
    item: Item,
    make_feed: PreparingFeed,
    *,
    progressed: Callable[[float, float | None], None] = lambda _done, _whole: None,
) -> PreparedItem:
    """Encode `item` into the library; cancelling leaves no file behind.

    `progressed` gets the seconds done and the item's duration, None where unknown.
    """
    feed = await make_feed(item)
    async with asyncio.TaskGroup() as group:
        run = group.create_task(feed.run())
        try:
            while not run.done() and not feed.plays_cached and not feed.is_live:
                await asyncio.wait((run,), timeout=_DRAIN_SECONDS)
                feed.buffer.drop_all()
                progressed(seconds(feed.buffer.taken_ticks), feed.duration_seconds)
        finally:
            # The feed's reader may wait for space in the buffer.
            feed.buffer.close()
            run.cancel()
    return PreparedItem(result=_result(feed), title=feed.title, error=feed.last_error, expansion=feed.expansion)


def _result(feed: Feed) -> PrepareResult:
    if feed.plays_cached:
        return PrepareResult.ALREADY_CACHED
    if feed.is_live:
        return PrepareResult.LIVE
    if feed.expansion is not None:
        return PrepareResult.LIST
    if feed.cache_complete:
        return PrepareResult.CACHED
    return PrepareResult.BUSY if isinstance(feed.last_error, AlreadyCaching) else PrepareResult.FAILED
