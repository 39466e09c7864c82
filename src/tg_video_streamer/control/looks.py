"""Looks at a line before it is saved, and at items of the playlist: title, length and picture."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.control.reporter import item_name
from tg_video_streamer.disk import DISKS
from tg_video_streamer.display_text import show
from tg_video_streamer.errors import ControlError, DiskHangs, PlaylistError, StreamerError
from tg_video_streamer.feed.probe.probe import probe
from tg_video_streamer.feed.probe.still import still_of
from tg_video_streamer.ffmpeg.source import Measured
from tg_video_streamer.playlist.browse import FolderView, browse
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Expansion, Media, Resolve

_MOST_PICTURES = 300
"""Of some kilobytes each."""
_AT_ONCE = 1
"""Looks are made at the lowest priority, one at a time: the program comes first."""
_MOST_WAITING = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What a line names; a list has `entries` and no length."""

    line: str
    title: str
    duration_seconds: float | None = None
    is_live: bool = False
    entries: int = 0
    picture: bytes = b""
    """JPEG; empty without one."""

    def __post_init__(self) -> None:
        show(self, "title")


class Looks:
    """Belongs to the event loop; sources are read in child processes."""

    def __init__(
        self,
        resolve: Resolve,
        *,
        parse: Callable[[str], Item],
        item: Callable[[str], Item | None],
        allowed: Callable[[], AllowedFolders],
    ) -> None:
        """`parse` raises PlaylistError; `item` finds one of the playlist by its key."""
        self._resolve = resolve
        self._parse = parse
        self._item = item
        self._allowed = allowed
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._pictures: OrderedDict[str, bytes] = OrderedDict()

    async def look(self, line: str) -> Look:
        """What `line` names now. Raises ControlError where it names nothing that can play."""
        try:
            item = self._parse(line.strip())
            found = await self._resolve(item)
            if isinstance(found, Expansion):
                return Look(line=line.strip(), title=found.title or item_name(item), entries=len(found.children))
            length = found.duration_seconds
            if length is None and found.is_file:
                length = (await probe(found, measured=Measured.NOT)).duration_seconds
            async with self._turn:
                picture = await still_of(found)
        except (PlaylistError, StreamerError) as error:
            raise ControlError.because_of(error) from error
        return Look(
            line=line.strip(),
            title=found.title or item_name(item),
            duration_seconds=length,
            is_live=found.is_live,
            picture=picture,
        )

    async def browse(self, folder: str) -> FolderView:
        """One of the allowed folders. Raises ControlError for any other, and where it cannot be read."""
        try:
            return await DISKS.run(Path(folder or "/"), browse, folder, self._allowed())
        except (PlaylistError, DiskHangs) as error:
            raise ControlError.because_of(error) from error

    async def picture(self, key: str) -> bytes:
        """The picture of a local file of the playlist; empty where there is none, or too many wait."""
        if key in self._pictures:
            self._pictures.move_to_end(key)
            return self._pictures[key]
        item = self._item(key)
        if item is None or item.kind is not LocatorKind.FILE or self._waiting >= _MOST_WAITING:
            return b""
        self._waiting += 1
        try:
            async with self._turn:
                found = await self._resolve(item)
                picture = await still_of(found) if isinstance(found, Media) else b""
        except StreamerError:
            picture = b""  # what is wrong with the item stands in its row
        finally:
            self._waiting -= 1
        self._pictures[key] = picture
        if len(self._pictures) > _MOST_PICTURES:
            self._pictures.popitem(last=False)
        return picture
