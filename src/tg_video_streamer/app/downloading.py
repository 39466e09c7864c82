"""The downloads of one command, not of a service: its own spool, ahead of the encodes, and its own login to Telegram."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tg_video_streamer.app.feeds import Feeds
from tg_video_streamer.app.spool import SpoolService
from tg_video_streamer.app.telegram_source import TelegramSourceService, own_telegram_source
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import SessionNeeded, StreamerError
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Fetcher
from tg_video_streamer.settings.settings import LoadedSettings
from tg_video_streamer.spool.report import DownloadReport

AHEAD_ITEMS = 2
"""So many items are downloaded while those before them are encoded."""


class Downloading:
    """What the walk asks for; without a spool there is nothing to download."""

    def __init__(self, parts: SpoolService | None = None) -> None:
        self._parts = parts

    def plan(self, coming: Sequence[Item], used: Collection[Item]) -> None:
        """Download the first of `coming` ahead, and drop what is neither among them nor `used`."""
        if self._parts is not None:
            self._parts.spool.plan([*used, *coming[:AHEAD_ITEMS]], used)

    async def fetch(self, item: Item, *, progressed: Callable[[DownloadReport], None]) -> Expansion | None:
        """Wait until `item` is on the disk, or can only be read from its source; a list is returned.

        Raises StreamerError for what another attempt at once would not change.
        """
        if self._parts is None:
            return None
        try:
            return await self._parts.source.fetch(item, progressed=progressed)
        except StreamerError as error:
            if error.permanent or isinstance(error, SessionNeeded):
                raise
            return None  # its feed asks again, and says why it fails


def telegram_of(loaded: LoadedSettings, folder: Path) -> TelegramSourceService:
    """Telegram as a source, not started. It reads the session and never writes to the settings file: that is for the service."""
    return own_telegram_source(
        replace(loaded, env_file=None),
        folder,
        clock=SystemClock(),
        publish=lambda _event: None,
        notify=lambda *_arguments, **_named: None,
    )


@asynccontextmanager
async def downloading(parts: Feeds, telegram: TelegramSourceService, folder: Path) -> AsyncIterator[Downloading]:
    """The spool of `parts` runs while the block lasts; its files go at the end, and stay for the next run where it is broken off."""
    service = parts.spool
    if service is None:
        yield Downloading()
        return
    service.fetchers[Fetcher.TELEGRAM] = telegram.source.fetch
    service.source.eta = lambda _item: math.inf
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(service.spool.run()), tasks.create_task(telegram.run())]
        try:
            yield Downloading(service)
        finally:
            for task in running:
                task.cancel()
    await asyncio.to_thread(shutil.rmtree, folder / "spool", ignore_errors=True)
