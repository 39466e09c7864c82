"""Telegram as a source of items: resolves and fetches with the account that is logged in, or says what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import SessionNeeded
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Download, Expansion, Media
from tg_video_streamer.spool.fetch import Progress
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.session.keeper import SessionChange, SessionKeeper

if TYPE_CHECKING:
    from tg_video_streamer.telegram.client.account import Account

LOGIN_SECONDS = 20.0
"""How long an item waits for a login that is under way."""


class TelegramSource:
    """Resolve and Fetch for Telegram items; Telethon is loaded with the first of them."""

    def __init__(self, keeper: SessionKeeper, store: TelegramState, *, clock: Clock) -> None:
        self._keeper = keeper
        self._store = store
        self._clock = clock
        self._loading = asyncio.Lock()
        self._resolver: Any = None
        self._fetch: Any = None
        self._followed: Account | None = None
        self._unfollow: Callable[[], None] = lambda: None
        self._outdated: Callable[[str], None] = lambda _key: None
        self.wanted = asyncio.Event()
        """Set once there is a Telegram item."""

    def on_outdated(self, act: Callable[[str], None]) -> None:
        """Call `act` with the key of each whole-chat item in whose chat a file was posted."""
        self._outdated = act

    async def resolve(self, item: Item) -> Media | Expansion:
        """See Resolve. Without a session it raises ResolveError, so that the item waits."""
        self.wanted.set()
        account = await self._account()
        await self._load()
        if account is not self._followed:
            self._followed = account
            self._unfollow()
            self._unfollow = account.subscribe(self._on_update)
        found: Media | Expansion = await self._resolver.resolve(account, item)
        return found

    async def fetch(self, download: Download, target: Path, *, proxy: str, progress: Progress) -> None:
        """See Fetch."""
        self.wanted.set()
        await self._load()
        await self._fetch(download, target, proxy=proxy, progress=progress)

    def _on_update(self, update: Any) -> None:
        for key in self._resolver.outdated_by(update):
            self._outdated(key)

    async def _account(self) -> Account:
        """The account, once a login that is under way has ended; raises ResolveError where there is none."""
        changed = asyncio.Event()

        async def on_session(_change: SessionChange) -> None:
            changed.set()

        unsubscribe = self._keeper.subscribe(on_session)
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                while (account := self._keeper.account) is None and not self._keeper.degraded:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            account = None
        finally:
            unsubscribe()
        if account is None:
            raise SessionNeeded.of("telegram_source.no_session")
        return account

    async def _load(self) -> None:
        """Import Telethon in a thread, since that takes longer than a frame."""
        async with self._loading:
            if self._resolver is not None:
                return
            package = "tg_video_streamer.telegram.media"
            chats, resolver, fetch = [
                await asyncio.to_thread(import_module, f"{package}.{name}") for name in ("chats", "resolver", "fetch")
            ]
            known = chats.SourceChats(self._store)
            self._fetch = fetch.TelegramFetch(lambda: self._keeper.account, chats=known, clock=self._clock)
            self._resolver = resolver.TelegramResolver(chats=known, clock=self._clock)
