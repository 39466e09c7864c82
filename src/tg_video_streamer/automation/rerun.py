"""Chooses what plays again where no item in turn is ready and there is no filler: the last good item, or one that is cached."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from tg_video_streamer.automation.director import Director
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs
from tg_video_streamer.library.library import Library
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playout.source import PlayoutEvent, SourceStarted
from tg_video_streamer.resolve.missing import missing_files

_REMEMBERED = 8
_LISTED_ITEMS = 256
"""Of the coming items, in which a cached one is looked for."""
_ENDING_SECONDS = 10.0
"""So long before the end of the item on air one is primed, where nothing else is."""


class Rerun:
    """All methods belong to the event loop's thread."""

    def __init__(
        self,
        *,
        rotation: Rotation,
        quarantine: Quarantine,
        director: Director,
        library: Library | None,
        logo: Callable[[], str],
    ) -> None:
        self._rotation = rotation
        self._quarantine = quarantine
        self._director = director
        self._library = library
        self._logo = logo
        self._good: deque[str] = deque(maxlen=_REMEMBERED)

    def on_playout_event(self, event: PlayoutEvent) -> None:
        """Remember the items that were on air, the last one first."""
        if isinstance(event, SourceStarted):
            key = event.source.content.key
            if key in self._good:
                self._good.remove(key)
            self._good.appendleft(key)

    def needed(self) -> bool:
        """Whether the slate is near: nothing is primed, and no item is on air or it ends soon."""
        if not self._good or self._rotation.empty or self._rotation.finished:
            return False
        if any(feed.primed for feed in self._director.coming):
            return False
        on_air = self._director.on_air
        return on_air is None or (on_air.buffer.finished and on_air.buffer.seconds < _ENDING_SECONDS)

    async def choose(self) -> Item | None:
        """The item on air last whose file is there or that is cached, or any cached one; None for none."""
        listed = {item.key: item for item in self._rotation.upcoming(_LISTED_ITEMS)}
        for key in {one.key for one in self._quarantine.resting()} | {one.item.key for one in self._director.coming}:
            listed.pop(key, None)
        good = [listed[key] for key in self._good if key in listed]
        files = [item for item in good if item.kind is LocatorKind.FILE]
        missing = await missing_files(files, known=frozenset(item.key for item in files))
        present = next((item for item in files if item.key not in missing), None)
        return present or await self._cached([*good, *listed.values()])

    async def _cached(self, items: Iterable[Item]) -> Item | None:
        library = self._library
        if library is None:
            return None
        try:
            return await DISKS.run(library.folder, _first_cached, library, items, self._logo())
        except DiskHangs:
            return None


def _first_cached(library: Library, items: Iterable[Item], logo: str) -> Item | None:
    for item in items:
        found = library.remembered(item, logo=logo)
        if found is not None and library.playable(found):
            return item
    return None
