"""A feed's use of the library: plays the cached encode of its item, or caches the item while it plays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import (
    AlreadyCaching,
    DiskHangs,
    LibraryError,
    ResolveError,
    SourceGone,
    StreamerError,
    ToolMissing,
)
from tg_video_streamer.feed.cache_thread import CacheThread
from tg_video_streamer.feed.overlay.overlay import ChooseOverlay
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.library import Grade, Library, Remembered
from tg_video_streamer.library.sidecar import FaultSpan
from tg_video_streamer.media import Packet
from tg_video_streamer.playlist.item import DOWNLOADED, Item
from tg_video_streamer.resolve.media import Media, Resolve

_log = structlog.get_logger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

COMMIT_SECONDS = 120.0
"""Of a long film's sync to a slow disk."""
FRESH_SECONDS = 6 * 3600.0
"""While a cached encode plays, its source is checked again after so long."""


class FeedCache:
    """The library for one item; without a `library` nothing is found or cached."""

    def __init__(
        self,
        item: Item,
        library: Library | None,
        *,
        resolve: Resolve,
        clock: Clock,
        failed: Callable[[str, StreamerError], None],
        mode: FeedMode,
        overlay: ChooseOverlay,
    ) -> None:
        """`failed` is called with ("resolve", error) when a source does not answer while its cached encode plays."""
        self._item = item
        self._library = library
        self._folder = library.folder if library is not None else Path()
        self._resolve = resolve
        self._clock = clock
        self._failed = failed
        self._must_cache = mode is FeedMode.PREPARING
        self._grade = Grade.PREPARED if self._must_cache else Grade.LIVE
        self._overlay = overlay
        self._writer: CacheThread | None = None
        self._remembered: Remembered | None = None
        self._damaged = False
        self.complete = False
        """The item was encoded to its end and is cached."""

    async def find(self, ask: Callable[[], Awaitable[Media | None]], *, begun: bool) -> Media | CachedEncode | None:
        """The item's cached encode if it may be played, else its source from `ask`; None for a list.

        A feed that has `begun` stays with its source. Raises what `ask` raises.
        """
        if begun or self._damaged:
            return await ask()
        # A file is checked first, which costs nothing. Asking a web page or Telegram takes seconds, and more CPU than playing the item.
        if self._item.kind in DOWNLOADED and (encode := await self._known()) is not None:
            return encode
        try:
            media = await ask()
        except ResolveError as error:
            if (encode := await self._replacement(error)) is None:
                raise
            self._failed("resolve", error)
            return encode
        return media and (await self._of(media) or media)

    async def _replacement(self, error: ResolveError) -> CachedEncode | None:
        """What plays instead of a source that cannot be found; after a removal only with LIBRARY_KEEP_REMOVED."""
        if self._library is None or isinstance(error, ToolMissing):
            return None
        if isinstance(error, SourceGone):
            await self._ask(self._library.gone, self._item, error.reason)
        encode = await self._known()
        if encode is not None:
            # The source was asked just now; `check_source` need not ask again.
            self._remembered = None
            _log.warning("source not found, its cached encode plays", key=self._item.key, reason=error.reason)
        return encode

    async def _of(self, media: Media) -> CachedEncode | None:
        """The cached encode of exactly `media`, with which the source has answered."""
        if self._library is None or media.is_live or not media.source_id:
            return None
        await self._answered(self._library, media)
        logo = (await self._overlay()).logo_digest
        return await self._ask(self._library.find, self._item, media.source_id, logo=logo, least=self._grade)

    async def check_source(self) -> None:
        """While a cached encode plays: ask its source whether it still exists, unless it answered lately."""
        remembered = self._remembered
        if self._library is None or remembered is None:
            return
        if self._clock.wall() - remembered.source.checked_wall < FRESH_SECONDS:
            return
        try:
            found = await self._resolve(self._item)
        except StreamerError as error:
            self._failed("resolve", error)
            if isinstance(error, SourceGone):
                await self._ask(self._library.gone, self._item, error.reason)
            _log.warning("source of a cached encode not found", key=self._item.key, reason=error.reason)
            return
        if isinstance(found, Media):
            await self._answered(self._library, found)

    async def removed(self, encode: CachedEncode) -> bool:
        """Whether `encode` was removed before it could be opened: a better one took its place, or it was pruned."""
        return self._library is not None and await self._ask(self._library.lists, encode) is False

    async def drop(self, encode: CachedEncode, why: str) -> None:
        """`encode` could not be played to its end."""
        self._damaged = True
        if self._library is not None:
            await self._ask(self._library.drop, encode, why)

    async def played(self, encode: CachedEncode) -> None:
        """`encode` starts to play."""
        if self._library is not None:
            await self._ask(self._library.played, encode)

    # Caching the item while it plays

    async def begin(self, media: Media, *, encoded: bool) -> None:
        """The item starts to play at its own start: cache it if possible.

        `encoded`: it costs what a cached encode saves. Raises LibraryError if it must be cached and cannot.
        """
        self.abandon()
        logo = (await self._overlay()).logo_digest
        if self._library is not None and not media.is_live and media.source_id:
            begin = partial(self._library.begin, self._item, media.source_id, media.title, logo=logo, grade=self._grade)
            if (writer := await self._ask(begin)) is not None:
                self._writer = CacheThread(writer, waits=self._must_cache)
            if encoded and not self._must_cache:
                self._library.missed()
        if self._must_cache and self._writer is None:
            if self._library is not None and self._library.is_caching(self._item, media.source_id, logo=logo):
                raise AlreadyCaching.of("library.already_caching")
            raise LibraryError.of("library.no_space")

    def add(self, packet: Packet) -> None:
        """Cache one packet; called in the reader's thread."""
        if (writer := self._writer) is not None:
            writer.add(packet)

    async def commit(self, faults: Sequence[FaultSpan]) -> None:
        """The item ended with nothing skipped; `faults` were found in it."""
        writer, self._writer = self._writer, None
        if writer is not None:
            committing = DISKS.run_within(COMMIT_SECONDS, self._folder, writer.commit, faults=faults)
            with suppress(DiskHangs):
                self.complete = await asyncio.shield(asyncio.ensure_future(committing)) is not None

    def abandon(self) -> None:
        """The item did not play whole: discard what was cached."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abandon()

    async def _known(self) -> CachedEncode | None:
        if self._library is None:
            return None
        logo = (await self._overlay()).logo_digest
        remembered = await self._ask(self._library.remembered, self._item, logo=logo, least=self._grade)
        if remembered is None or not self._library.playable(remembered):
            return None
        self._remembered = remembered
        return remembered.encode

    async def _answered(self, library: Library, media: Media) -> None:
        await self._ask(
            library.answered,
            self._item,
            media.source_id,
            title=media.title,
            duration_seconds=media.duration_seconds,
        )

    async def _ask(
        self, work: Callable[Parameters, Result], /, *arguments: Parameters.args, **options: Parameters.kwargs
    ) -> Result | None:
        """The library's answer; None where its disk hangs: the item plays from its source."""
        try:
            return await DISKS.run_within(START_SECONDS, self._folder, work, *arguments, **options)
        except DiskHangs:
            return None
