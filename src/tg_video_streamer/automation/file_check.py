"""Finds the coming items whose files are missing, many at once, before they cost a turn; and those whose files are back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs, PlaylistError, SourceGone
from tg_video_streamer.events import Event, SourceFailed
from tg_video_streamer.library.library import Library
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.resolve.missing import missing_files

CHECK_SECONDS = 2.0
MISSING_SECONDS = 1.0
"""The same while files are missing: they play within seconds of their return."""
AHEAD_ITEMS = 64
"""So many items that may be tried are looked for, behind however many are missing."""
MOST_ITEMS = 2000
"""Of which the files are looked at in one round."""
REST_SECONDS = 60.0
"""Renewed with each round: a missing item waits until its file is back."""

log = structlog.get_logger(__name__)


class FileCheck:
    """All methods belong to the event loop's thread."""

    def __init__(
        self,
        *,
        rotation: Rotation,
        quarantine: Quarantine,
        library: Library | None,
        logo: Callable[[], str],
        changed: Callable[[], None],
        publish: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        """`changed` is called when other items may be tried than before. What `library` has cached plays without its file."""
        self._rotation = rotation
        self._quarantine = quarantine
        self._library = library
        self._logo = logo
        self._changed = changed
        self._publish = publish
        self._clock = clock
        self._missing: dict[str, Item] = {}
        self._edited = False
        self._returned = asyncio.Event()

    async def run(self) -> None:
        """Look again and again until cancelled, and at once where a disk answers again."""
        DISKS.on_return(self._returned.set)
        while True:
            await self.check()
            with suppress(TimeoutError):
                async with asyncio.timeout(MISSING_SECONDS if self._missing else CHECK_SECONDS):
                    await self._returned.wait()
            self._returned.clear()

    def edited(self) -> None:
        """The rotation has changed: what is no longer in it is forgotten."""
        self._edited = True

    async def check(self) -> None:
        """What is missing rests without a failure of its own, what is back may be tried at once."""
        if self._edited:
            self._edited = False
            listed = {item.key for item in self._rotation.upcoming()}
            self._missing = {key: item for key, item in self._missing.items() if key in listed}
        while await self._round():
            continue  # behind what is missing more may be

    async def _round(self) -> bool:
        """Whether more is missing than before."""
        items = self._coming()
        found = await missing_files(items.values(), known=frozenset(self._missing))
        missing = {key: items[key] for key in found - await self._cached([items[key] for key in found])}
        back, gone = self._missing.keys() - missing.keys(), missing.keys() - self._missing.keys()
        self._missing = missing
        for key in missing:
            self._quarantine.rest(key, SourceGone.reason, REST_SECONDS)
        for key in back:
            self._quarantine.release(key)
        for key in gone:
            self._publish(self._failure(missing[key]))
        if gone:
            log.warning("files are missing, their items are left out until they are back", items=len(gone))
        if back or gone:
            self._changed()
        return bool(gone) and len(missing) < MOST_ITEMS

    def _coming(self) -> dict[str, Item]:
        """The files that may be played next, and those that were missing; an item with a backup has that."""
        coming = self._rotation.upcoming(min(MOST_ITEMS, AHEAD_ITEMS + len(self._missing)))
        found = {item.key: item for item in coming if item.kind is LocatorKind.FILE and item.backup is None}
        return found | self._missing

    async def _cached(self, items: list[Item]) -> frozenset[str]:
        library = self._library
        if library is None or not items:
            return frozenset()
        try:
            return await DISKS.run(library.folder, _cached, library, items, self._logo())
        except DiskHangs:
            return frozenset()

    def _failure(self, item: Item) -> SourceFailed:
        error = SourceGone.because_of(PlaylistError.of("line.missing", path=item.locator))
        return SourceFailed(
            wall=self._clock.wall(),
            stage="resolve",
            reason=error.reason,
            detail=str(error),
            key=item.key,
            title=item.title,
        )


def _cached(library: Library, items: list[Item], logo: str) -> frozenset[str]:
    known = ((item, library.remembered(item, logo=logo)) for item in items)
    return frozenset(item.key for item, found in known if found is not None and library.playable(found))
