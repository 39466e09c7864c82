"""Renews an item's URLs before they expire, so that a retry need not wait for the resolver."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media, Resolve

MARGIN_SECONDS = 60.0
"""How long before its expiry an answer is renewed."""


class UrlRefresh:
    """The resolver's answers for one item."""

    def __init__(
        self, item: Item, *, resolve: Resolve, clock: Clock, failed: Callable[[str, StreamerError], None]
    ) -> None:
        """`failed` is called with ("resolve", error) when a renewal fails; the next attempt asks again."""
        self._item = item
        self._resolve = resolve
        self._clock = clock
        self._failed = failed
        self._fresh: Media | None = None

    async def take(self) -> Media | Expansion:
        """The renewed answer if it is still valid, else a new one. Raises what `resolve` raises."""
        fresh, self._fresh = self._fresh, None
        if fresh is not None and self._left(fresh) > MARGIN_SECONDS / 2:
            return fresh
        return await self._resolve(self._item)

    def put_back(self, media: Media) -> None:
        """`media` still works: the next attempt takes it and asks nothing."""
        if self._fresh is None:
            self._fresh = media

    async def refresh(self, media: Media) -> None:
        """Wait until `media` is about to expire, then fetch the next answer; return at once if it never expires."""
        if media.expires_wall is None:
            return
        await asyncio.sleep(max(0.0, self._left(media) - MARGIN_SECONDS))
        try:
            found = await self._resolve(self._item)
        except StreamerError as error:
            self._failed("resolve", error)
            return
        self._fresh = found if isinstance(found, Media) else None

    def _left(self, media: Media) -> float:
        return math.inf if media.expires_wall is None else media.expires_wall - self._clock.wall()
