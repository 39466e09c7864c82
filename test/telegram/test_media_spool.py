"""Files out of Telegram in the spool: what was downloaded stays while there is no session."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from stands.spooling import spooling
from tg_video_streamer.errors import SessionNeeded
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Download, Expansion, Fetcher, Media, MediaInput
from tg_video_streamer.spool.fetch import Progress
from tg_video_streamer.spool.spool import MOST_FAILURES
from tg_video_streamer.spool.state import SpoolState

ITEM = Item(LocatorKind.TELEGRAM, "https://t.me/testchan/5")
DATA = bytes(range(200))


class Telegram:
    """A Fetch that needs a session for the second half of a file."""

    def __init__(self) -> None:
        self.has_session = False
        self.attempts = 0
        self.tried = asyncio.Event()
        self.began_at: list[int] = []

    async def resolve(self, _item: Item) -> Media | Expansion:
        """The file."""
        download = Download(fetcher=Fetcher.TELEGRAM, request=json.dumps({}), suffix="mp4", size_bytes=len(DATA))
        return Media(inputs=(MediaInput(location="", is_file=False, download=download),), source_id="telegram 1 5 7")

    async def fetch(self, download: Download, target: Path, *, proxy: str, progress: Progress) -> None:  # noqa: ARG002 - as Fetch
        """One attempt."""
        have = _grown(target, 100)
        self.began_at.append(have)
        progress(max(have, 100), len(DATA))
        self.attempts += 1
        self.tried.set()
        if not self.has_session:
            raise SessionNeeded.of("telegram_source.no_session")
        _grown(target, len(DATA))
        progress(len(DATA), len(DATA))


def _grown(target: Path, size: int) -> int:
    """Let a file have so many bytes at least; how many it had."""
    have = target.stat().st_size if target.exists() else 0
    with target.open("ab") as file:
        file.write(DATA[have:size])
    return have


async def test_what_was_downloaded_stays_until_the_login(tmp_path: Path) -> None:
    """However often a download fails for want of a session, it is no failure of the item; after the login it continues."""
    telegram = Telegram()
    fetchers = {Fetcher.TELEGRAM: telegram.fetch}
    async with spooling(tmp_path, fetchers=fetchers, ask=telegram.resolve, wanted=[ITEM]) as running:
        for _ in range(MOST_FAILURES + 2):
            await asyncio.wait_for(telegram.tried.wait(), 20)
            telegram.tried.clear()
            await running.until(lambda: running.state(ITEM) is SpoolState.PAUSED)
            running.spool.try_again(LocatorKind.TELEGRAM)
        telegram.has_session = True
        running.spool.try_again(LocatorKind.TELEGRAM)
        await running.whole(ITEM)
        (file,) = [one for one in running.folder.glob("*/*") if one.stat().st_size == len(DATA)]
        assert file.read_bytes() == DATA
    assert telegram.began_at[0] == 0
    assert set(telegram.began_at[1:]) == {100}
    assert running.spool.counts.failures == 0
