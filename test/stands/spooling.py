"""A spool for tests: the real resolver and the real yt-dlp, run in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tg_video_streamer.clock import SystemClock
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Fetcher, Media, Resolve
from tg_video_streamer.resolve.proxies import parse_proxies
from tg_video_streamer.resolve.resolver import Resolver, WebOptions
from tg_video_streamer.spool.download import Downloads
from tg_video_streamer.spool.entry import Entry
from tg_video_streamer.spool.fetch import Fetch
from tg_video_streamer.spool.source import SpooledSource
from tg_video_streamer.spool.spool import Ended, Spool, SpoolLimits
from tg_video_streamer.spool.state import SpoolState
from tg_video_streamer.spool.ytdlp_fetch import YtdlpFetch


@dataclass(kw_only=True)
class Spooling:
    """A running spool and what feeds ask."""

    spool: Spool
    source: SpooledSource
    folder: Path
    group: asyncio.TaskGroup
    running: asyncio.Task[None]

    async def restarted(self) -> None:
        """End its run amid its work, as a defect would, and run it again."""
        self.running.cancel()
        await asyncio.wait({self.running})
        self.running = self.group.create_task(self.spool.run())

    async def until(self, condition: Callable[[], object], *, seconds: float = 60.0) -> None:
        """Wait for a fact."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - facts of a part that has no event for them
                await asyncio.sleep(0.02)

    async def whole(self, *items: Item, seconds: float = 60.0) -> None:
        """Wait until items are whole."""
        await self.until(lambda: all(self.state(item) is SpoolState.WHOLE for item in items), seconds=seconds)

    def state(self, item: Item) -> SpoolState | None:
        """The state of an item; None if the spool does not know it."""
        entry = self.spool.known(item)
        return entry.state if entry is not None else None

    def entry(self, item: Item) -> Entry:
        """What the spool knows of an item."""
        found = self.spool.known(item)
        assert found is not None
        return found


def same_bytes(location: str, clip: Path) -> bool:
    """Whether a spooled file is the clip, byte for byte."""
    return Path(location).read_bytes() == clip.read_bytes()


def url_item(url: str, **changes: object) -> Item:
    """An item on the web."""
    return Item(LocatorKind.URL, url, **changes)  # type: ignore[arg-type]  # the tests name the fields


def resolver(folder: Path, *, proxy: str = "") -> Resolver:
    """yt-dlp in its child; `proxy` as YTDLP_PROXY."""
    allowed = AllowedFolders.of([folder])
    web = WebOptions(proxies=parse_proxies(proxy))
    return Resolver(allowed=lambda: allowed, scratch_folder=folder / "scratch", web=web)


def real_resolver(folder: Path, *, proxy: str = "") -> Resolve:
    """What it is asked."""
    return resolver(folder, proxy=proxy).resolve


async def checked(_media: Media) -> None:
    """A probe that is content with everything."""


@asynccontextmanager
async def spooling(
    folder: Path,
    *,
    fetchers: Mapping[Fetcher, Fetch] | None = None,
    ask: Resolve | None = None,
    ended: Ended = lambda _item, _proxy, _error: False,
    max_bytes: int = 1 << 30,
    floor_bytes: int = 0,
    wanted: Sequence[Item] = (),
) -> AsyncIterator[Spooling]:
    """Run a spool in `folder`/spool while the block lasts."""
    ask = ask or real_resolver(folder)
    clock = SystemClock()
    spool = Spool(
        folder / "spool",
        limits=SpoolLimits(max_bytes=max_bytes, floor_bytes=floor_bytes),
        downloads=Downloads(fetchers or {Fetcher.YTDLP: YtdlpFetch()}, checked),
        ask=ask,
        ended=ended,
        clock=clock,
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(spool.run())
        await spool.loaded.wait()
        spool.plan(wanted, ())
        source = SpooledSource(spool, ask, clock)
        found = Spooling(spool=spool, source=source, folder=folder / "spool", group=group, running=running)
        try:
            yield found
        finally:
            found.running.cancel()
