"""What one feed has to do with the library: the copy that it plays instead of its source, or makes while it plays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import AlreadyCaching, LibraryError, ResolveError, SourceGone, StreamerError, ToolMissing
from tg_video_streamer.feed.overlay.overlay import ChooseOverlay, no_overlay
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.library import Library, Remembered
from tg_video_streamer.library.sidecar import FaultSpan
from tg_video_streamer.library.writer import CacheWriter
from tg_video_streamer.media import Packet
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Media, Resolve

_log = structlog.get_logger(__name__)

FRESH_SECONDS = 6 * 3600.0
"""A source whose copy plays is asked again after so long whether it is still there."""


class FeedCache:
    """The library as one item sees it; with `library` None there is none, and nothing is ever found or kept."""

    def __init__(
        self,
        item: Item,
        library: Library | None,
        *,
        resolve: Resolve,
        clock: Clock,
        failed: Callable[[str, StreamerError], None],
        mode: FeedMode,
        overlay: ChooseOverlay = no_overlay,
    ) -> None:
        """`failed` is called with ("resolve", error) when a source does not answer while its cached encode plays."""
        self._item = item
        self._library = library
        self._resolve = resolve
        self._clock = clock
        self._failed = failed
        self._must_cache = mode is FeedMode.PREPARING
        self._overlay = overlay
        self._writer: CacheWriter | None = None
        self._remembered: Remembered | None = None
        self._useless = False
        self.complete = False
        """The item was encoded to its end, and is kept."""

    async def find(self, ask: Callable[[], Awaitable[Media | None]], *, begun: bool) -> Media | CachedEncode | None:
        """The copy of the item, if that may be played, else where its source is now, by `ask`; None where it is a list.

        What has `begun` goes on as it was. Raises what `ask` raises.
        """
        if begun or self._useless:
            return await ask()
        # Looking at a file costs nothing; asking a web page costs seconds, and more processor time than to play the item.
        if self._item.kind is LocatorKind.URL and (copy := await self._known()) is not None:
            return copy
        try:
            media = await ask()
        except ResolveError as error:
            if (copy := await self._instead(error)) is None:
                raise
            self._failed("resolve", error)
            return copy
        return media and (await self._of(media) or media)

    async def _instead(self, error: ResolveError) -> CachedEncode | None:
        """What plays in place of a source that cannot be found; one that is gone plays on only where that is wished."""
        if self._library is None or isinstance(error, ToolMissing):
            return None
        if isinstance(error, SourceGone):
            await asyncio.to_thread(self._library.gone, self._item, error.reason)
        copy = await self._known()
        if copy is not None:
            # It was asked just now: asking again while the copy plays would tell nothing.
            self._remembered = None
            _log.warning("the source cannot be found: its kept copy plays", key=self._item.key, reason=error.reason)
        return copy

    async def _of(self, media: Media) -> CachedEncode | None:
        """The source has answered with `media`: the copy of just that."""
        if self._library is None or media.is_live or not media.source_id:
            return None
        await asyncio.to_thread(self._answered, media)
        logo = (await self._overlay()).logo_digest
        return await asyncio.to_thread(self._library.find, self._item, media.source_id, logo=logo)

    async def check(self) -> None:
        """While a copy plays that was not asked for lately: ask its source whether it is still there."""
        remembered = self._remembered
        if remembered is None or self._clock.wall() - remembered.checked_wall < FRESH_SECONDS:
            return
        try:
            found = await self._resolve(self._item)
        except StreamerError as error:
            self._failed("resolve", error)
            if isinstance(error, SourceGone) and self._library is not None:
                await asyncio.to_thread(self._library.gone, self._item, error.reason)
            _log.warning("the source of a kept copy cannot be found", key=self._item.key, reason=error.reason)
            return
        if isinstance(found, Media):
            await asyncio.to_thread(self._answered, found)

    async def useless(self, copy: CachedEncode, why: str) -> None:
        """`copy` could not be played to its end."""
        self._useless = True
        if self._library is not None:
            await asyncio.to_thread(self._library.drop, copy, why)

    async def played(self, copy: CachedEncode) -> None:
        """`copy` is being played."""
        if self._library is not None:
            await asyncio.to_thread(self._library.played, copy)

    # The copy that is made

    async def begin(self, media: Media, *, encoded: bool) -> None:
        """The item begins to be played from its own beginning: keep it, if anything may be kept.

        `encoded`: at the cost that its copy saves. Raises LibraryError where it must be kept and cannot.
        """
        self.forget()
        logo = (await self._overlay()).logo_digest
        if self._library is not None and not media.is_live and media.source_id:
            self._writer = await asyncio.to_thread(
                self._library.begin, self._item, media.source_id, media.title, logo=logo
            )
            if encoded and not self._must_cache:
                self._library.missed()
        if self._must_cache and self._writer is None:
            if self._library is not None and self._library.is_caching(self._item, media.source_id, logo=logo):
                raise AlreadyCaching("it is being kept already, by another line of the list or another process")
            raise LibraryError("it cannot be kept now: there is no room")

    def add(self, packet: Packet) -> None:
        """One more packet of it; called in the reader's thread."""
        if (writer := self._writer) is not None:
            writer.add(packet)

    async def whole(self, faults: Sequence[FaultSpan]) -> None:
        """It has come to its end with nothing left out; `faults`: what was found wrong with it."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self.complete = await asyncio.shield(asyncio.to_thread(writer.commit, faults=faults)) is not None

    def forget(self) -> None:
        """It is not whole and will not be."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abandon()

    async def _known(self) -> CachedEncode | None:
        if self._library is None:
            return None
        logo = (await self._overlay()).logo_digest
        remembered = await asyncio.to_thread(self._library.remembered, self._item, logo=logo)
        if remembered is None or not self._library.playable(remembered):
            return None
        self._remembered = remembered
        return remembered.encode

    def _answered(self, media: Media) -> None:
        assert self._library is not None  # noqa: S101 - the callers have looked
        self._library.answered(self._item, media.source_id, title=media.title, duration_seconds=media.duration_seconds)
