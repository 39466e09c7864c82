"""Chats in the playlist are read again so often that new posts are on air soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tg_video_streamer.automation import playlist_sync
from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import ResolveError
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import PlaylistWatcher
from tg_video_streamer.resolve.media import Expansion, Media

CHAT = Item(LocatorKind.TELEGRAM, "tg-chat:testchan")


class Chat:
    """A chat with posts, and the sync that reads it."""

    def __init__(self, folder: Path) -> None:
        self.posts = 1
        self.readings = 0
        self.read = asyncio.Event()
        self.away = False
        self.rotation = Rotation()
        self.sync = PlaylistSync(
            watcher=PlaylistWatcher(folder / "playlist.txt"),
            rotation=self.rotation,
            quarantine=Quarantine(SystemClock()),
            resolve=self.resolve,
            clock=SystemClock(),
        )

    async def resolve(self, item: Item) -> Media | Expansion:
        """What is posted now."""
        self.readings += 1
        self.read.set()
        if self.away:
            raise ResolveError.of("telegram_source.no_session")
        links = [f"https://t.me/testchan/{number}?single" for number in range(1, self.posts + 1)]
        return Expansion(children=tuple(item.child(LocatorKind.TELEGRAM, link) for link in links))

    @property
    def known(self) -> int:
        """How many posts the rotation has."""
        return len(self.rotation.lists()[CHAT.key])

    async def until_known(self, count: int) -> None:
        """Wait for so many."""
        changed = asyncio.Event()
        self.sync.on_change(changed.set)
        async with asyncio.timeout(20):
            while self.known != count:
                await changed.wait()
                changed.clear()


@asynccontextmanager
async def playing(folder: Path) -> AsyncIterator[Chat]:
    """A playlist with a chat, whose items are known."""
    (folder / "playlist.txt").write_text("tg-chat:testchan\n")
    chat = Chat(folder)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(chat.sync.run())
        await chat.sync.loaded.wait()
        found = await chat.resolve(CHAT)
        assert isinstance(found, Expansion)
        chat.sync.expand(CHAT, found)
        chat.read.clear()
        yield chat
        running.cancel()


async def test_a_post_is_found_without_being_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chat is asked within a minute, again and again; what has not changed disturbs nothing."""
    assert playlist_sync.CHAT_REFRESH_SECONDS + playlist_sync._CHAT_CHECK_SECONDS < 60
    monkeypatch.setattr(playlist_sync, "_CHAT_CHECK_SECONDS", 0.05)
    monkeypatch.setattr(playlist_sync, "_REFRESH_CHECK_SECONDS", 0.05)
    monkeypatch.setattr(playlist_sync, "CHAT_REFRESH_SECONDS", 0.1)
    changes: list[int] = []
    async with playing(tmp_path) as chat:
        chat.sync.on_change(lambda: changes.append(chat.known))
        async with asyncio.timeout(20):
            while chat.readings < 4:
                await chat.read.wait()
                chat.read.clear()
        assert changes == []
        chat.posts = 2
        await chat.until_known(2)


async def test_a_post_is_found_at_once(tmp_path: Path) -> None:
    """Where Telegram tells of a post, the chat is read after a moment."""
    async with playing(tmp_path) as chat:
        # The refresh waits for its first period, which is a minute.
        chat.posts = 2
        chat.sync.outdated(CHAT.key)
        await chat.until_known(2)
        chat.sync.outdated("0123456789abcdef")


async def test_a_chat_out_of_reach_keeps_its_items(tmp_path: Path) -> None:
    """A chat that cannot be read now keeps its items, and is left alone for some minutes."""
    async with playing(tmp_path) as chat:
        chat.away = True
        chat.sync.outdated(CHAT.key)
        await asyncio.wait_for(chat.read.wait(), 20)
        assert chat.known == 1
