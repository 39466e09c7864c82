"""Downloads all files of one entry side by side, and proves that they are whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import ResolveError, StreamerError
from tg_video_streamer.resolve.media import Download, Fetcher, Media
from tg_video_streamer.spool.entry import Entry
from tg_video_streamer.spool.fetch import Fetch
from tg_video_streamer.spool.state import SpoolState

Check = Callable[[Media], Awaitable[None]]
"""Opens whole local files. Raises ProbeFailed if they cannot be played."""


class Downloads:
    """What every download needs."""

    def __init__(self, fetchers: Mapping[Fetcher, Fetch], check: Check) -> None:
        self._fetchers = fetchers
        self._check = check

    def can(self, media: Media) -> bool:
        """Whether all inputs of `media` can be downloaded."""
        downloads = [one.download for one in media.inputs]
        return not media.is_live and all(one is not None and one.fetcher in self._fetchers for one in downloads)

    async def run(self, entry: Entry, media: Media) -> None:
        """Download what `entry` lacks of `media`. Raises SourceGone, ResolveError or SpoolError; may be cancelled."""
        assert entry.spooled is not None  # noqa: S101 - the caller has begun it
        entry.move(SpoolState.DOWNLOADING)
        failure: StreamerError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for index, part in enumerate(entry.spooled.parts):
                    download = media.inputs[index].download
                    if not part.whole and download is not None:
                        group.create_task(self._fetch(entry, index, download, media.proxy), name="download")
        except* StreamerError as errors:
            failure = _first(errors)
        if failure is not None:
            raise failure
        entry.move(SpoolState.CHECKING)
        if entry.window is None:
            await self._check(entry.local())
        entry.move(SpoolState.WHOLE)

    async def _fetch(self, entry: Entry, index: int, download: Download, proxy: str) -> None:
        assert entry.spooled is not None  # noqa: S101 - it has begun
        stated: int | None = None

        def progress(size: int, whole: int | None) -> None:
            nonlocal stated
            stated = whole if whole is not None else stated
            entry.grew(index, size, whole)

        part = entry.spooled.parts[index]
        await self._fetchers[download.fetcher](download, entry.folder.path(part), proxy=proxy, progress=progress)
        size = await DISKS.run(entry.folder.folder, entry.folder.sync, part)
        # What the server has said while it sent is nearer to the truth than what a page said before.
        promised = stated if stated is not None else download.size_bytes
        if not size or (promised is not None and size != promised):
            if promised is not None and size > promised:
                entry.break_off()
                await DISKS.run(entry.folder.folder, entry.folder.remove)
            raise ResolveError.of("spool.size", bytes=size, promised=promised or 0)
        await DISKS.run(entry.folder.folder, entry.part_whole, index, size)


def _first(errors: BaseExceptionGroup[StreamerError]) -> StreamerError:
    """The first error of a group, at any depth."""
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, StreamerError)  # noqa: S101 - nothing else was caught
    return found
