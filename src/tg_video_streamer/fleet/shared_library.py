"""The second level of the library: takes what another host has encoded out of the store, and puts in what this one has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import CachedEncodeDamaged, FleetError, ResolveError, StoreUnusable
from tg_video_streamer.fleet.store import EncodeStore, KnownSource, StoredEncode
from tg_video_streamer.library.arrival import Arrival
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.files import sidecar_path
from tg_video_streamer.library.library import Grade, Library
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Media, Resolve

log = structlog.get_logger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

LIST_SECONDS = 20.0
"""So old at most is what is known of the store."""
PUT_SECONDS = 15.0
"""How often the library is looked through for new encodes."""
PRUNE_SECONDS = 600.0
_PRUNED_PART = 0.9
"""Of its limit the store has after a pruning."""
_OLD_SECONDS, _OLD_PART = 86_400.0, 0.8
"""Encodes older than a day do not fill the store above this part: what was pruned would come back."""
_DISK_SECONDS = 120.0
"""As long as a long film's sync to a slow disk."""


class SharedLibrary:
    """The store behind one library; it is never in the way of the program, which encodes for itself without it."""

    def __init__(
        self,
        store: EncodeStore,
        library: Library,
        *,
        resolve: Resolve,
        logo: Callable[[], str],
        max_bytes: int,
        elected: Callable[[], Awaitable[bool]],
        clock: Clock,
    ) -> None:
        """`resolve` finds a local file, whose identity is then known. `elected`: whether this host may prune the store now."""
        self._store = store
        self._library = library
        self._resolve = resolve
        self._logo = logo
        self._max_bytes = max_bytes
        self._elected = elected
        self._clock = clock
        self._listed: dict[str, StoredEncode] = {}
        self._listed_at = float("-inf")
        self._not_put: set[str] = set()
        self._prune_at = clock.monotonic()
        self.problem: Message | None = None
        """Why the store cannot be used now."""
        self.fetched = 0
        self.put = 0

    async def fetch(self, item: Item) -> bool:
        """Whether the item's encode is in the library now because the store had it."""
        try:
            await self._list()
            source = await self._known(item) if self._listed else None
            if source is None:
                return False
            for grade in (Grade.PREPARED, Grade.LIVE):
                key = self._library.key_of(item, source.source_id, logo=self._logo(), grade=grade)
                if key in self._listed and not self._library.has(key) and await self.receive(item, source, key):
                    return True
        except StoreUnusable as error:
            self._fail(error)
        return False

    async def receive(self, item: Item, source: KnownSource, key: str) -> bool:
        """Take one encode; False where it is not there, is damaged, or cannot be cached. Raises StoreUnusable."""
        pieces = self._store.read(key)
        sidecar = await anext(pieces, b"")
        try:
            arrival = await self._on_disk(self._library.receive, key, sidecar) if sidecar else None
            if arrival is None:
                return self._library.has(key)
            try:
                async for piece in pieces:
                    await self._on_disk(arrival.add, piece)
                await self._on_disk(arrival.commit)
            finally:
                await self._on_disk(Arrival.close, arrival)
        except CachedEncodeDamaged as error:
            log.warning("an encode in the store is damaged and removed", cache_key=key, why=str(error))
            self._listed.pop(key, None)
            await self._store.remove(key)
            return False
        except OSError as error:
            log.warning("an encode of the store cannot be taken", cache_key=key, why=error.strerror or str(error))
            return False
        await self._on_disk(
            self._library.answered,
            item,
            source.source_id,
            title=source.title,
            duration_seconds=source.duration_seconds,
        )
        self.fetched += 1
        log.info("item taken from the store", key=item.key, title=source.title)
        return True

    async def run(self) -> None:
        """Put what is new into the store, and prune it, until cancelled."""
        while True:
            await self.update()
            await asyncio.sleep(PUT_SECONDS)

    async def update(self) -> None:
        """Put what is new into the store, and prune it where that is this host's turn."""
        try:
            await self._list()
            await self._put_new()
            if self._clock.monotonic() >= self._prune_at and await self._elected():
                self._prune_at = self._clock.monotonic() + PRUNE_SECONDS
                await self._prune()
            self.problem = None
        except FleetError as error:
            self._fail(error)

    async def _put_new(self) -> None:
        for encode in reversed(await self._on_disk(self._library.encodes)):
            if encode.key in self._listed or encode.key in self._not_put or not self._has_room(encode):
                continue
            try:
                await self._put(encode)
            except (CachedEncodeDamaged, OSError) as error:
                # It was pruned meanwhile, or its disk fails.
                log.debug("an encode is not put into the store", cache_key=encode.key, why=str(error))
                self._not_put.add(encode.key)

    async def _put(self, encode: CachedEncode) -> None:
        """Raises CachedEncodeDamaged, OSError and StoreUnusable."""
        # Open, so that it is not pruned meanwhile.
        reader = await self._on_disk(encode.open)
        try:
            sidecar = await self._on_disk(sidecar_path(self._library.folder, encode.key).read_bytes)
            await self._store.put(encode.key, sidecar, encode.path)
        finally:
            await self._on_disk(reader.close)
        source = KnownSource(source_id=encode.source_id, title=encode.title, duration_seconds=encode.duration_seconds)
        await self._store.put_source(encode.item_key, source)
        size = len(sidecar) + encode.bytes
        self._listed[encode.key] = StoredEncode(key=encode.key, bytes=size, modified=self._clock.wall())
        self.put += 1
        log.info("cached encode put into the store", key=encode.item_key, title=encode.title, bytes=size)

    def _has_room(self, encode: CachedEncode) -> bool:
        stored = sum(one.bytes for one in self._listed.values())
        old = self._clock.wall() - encode.created_wall > _OLD_SECONDS
        return encode.bytes <= self._max_bytes and (not old or stored + encode.bytes <= _OLD_PART * self._max_bytes)

    async def _prune(self) -> None:
        """Remove the oldest encodes until the store has some room again."""
        encodes = await self._store.encodes()
        size = sum(one.bytes for one in encodes)
        if size <= self._max_bytes:
            return
        for one in encodes:
            if size <= _PRUNED_PART * self._max_bytes:
                return
            await self._store.remove(one.key)
            self._listed.pop(one.key, None)
            size -= one.bytes
            log.info("encode removed from the store, which is full", cache_key=one.key, bytes=one.bytes)

    async def _list(self) -> None:
        if self._clock.monotonic() - self._listed_at < LIST_SECONDS:
            return
        self._listed = {one.key: one for one in await self._store.encodes()}
        self._listed_at = self._clock.monotonic()

    async def _known(self, item: Item) -> KnownSource | None:
        """What is known of the item's source: of a local file by looking at it, of others by what they last answered."""
        if item.kind is not LocatorKind.FILE:
            return await self._store.source(item.key)
        try:
            found = await self._resolve(item)
        except ResolveError:
            return None
        if not isinstance(found, Media):
            return None
        return KnownSource(source_id=found.source_id, title=found.title, duration_seconds=found.duration_seconds)

    def _fail(self, error: FleetError) -> None:
        if self.problem is None:
            log.warning("the store of the fleet cannot be used", why=str(error))
        self.problem = error.full_message

    async def _on_disk(
        self, work: Callable[Parameters, Result], /, *arguments: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        """Raises what `work` raises, and DiskHangs, which is an OSError."""
        return await DISKS.run_within(_DISK_SECONDS, self._library.folder, work, *arguments, **options)
