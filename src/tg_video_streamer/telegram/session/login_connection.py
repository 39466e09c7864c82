"""The connection of one login: it follows the account to its data center, and can log out again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from telethon import TelegramClient, events
from telethon.tl import functions, types
from telethon.tl.tlobject import TLRequest

from tg_video_streamer.errors import SessionUnreachable, StreamerError
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.telegram.client.client import KEY_RETRIES, make_client
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.deadline import ConnectionBroke, within

ANSWER_SECONDS = 20.0


class LoginConnection:
    """The connection of one login; it reconnects where it broke while the person was typing."""

    def __init__(self, credentials: Credentials, session: Any, inform: Callable[[str], None]) -> None:
        """`session` is an empty one in memory; `inform` shows a message to the person."""
        self.credentials = credentials
        self._client: TelegramClient = make_client(credentials, session, retries=KEY_RETRIES)
        self._inform = inform
        self.scanned = asyncio.Event()
        self._client.add_event_handler(self._on_scanned, events.Raw(types.UpdateLoginToken))

    @property
    def session_string(self) -> str:
        """What has been logged in so far, in Telethon's format."""
        string = str(self._client.session.save())
        remember_secret(string)
        return string

    @property
    def data_center(self) -> int:
        """Where the connection leads."""
        return int(self._client.session.dc_id)

    async def ask(self, request: TLRequest) -> Any:
        """The answer; raises SessionError, TelegramRefused with Telethon's own error as the cause.

        A request whose connection breaks is sent once more: where the first had arrived, Telegram says so.
        """
        await self._connect()
        try:
            return await within(self._client(request), ANSWER_SECONDS, broken=self._client.disconnected)
        except ConnectionBroke:
            await self._connect()
            return await within(self._client(request), ANSWER_SECONDS)

    async def begin(self, request: TLRequest) -> Any:
        """The answer to a request that may lead to another data center, which breaks the connection on purpose."""
        await self._connect()
        return await within(self._client(request), ANSWER_SECONDS)

    async def move_to(self, data_center: int) -> None:
        """Go to another data center, with a new key."""
        await within(self._client._switch_dc(data_center), ANSWER_SECONDS)  # noqa: SLF001 - Telethon has no other name for it

    async def wait_for_scan(self, seconds: float) -> None:
        """Until the code was scanned, the connection broke, or the time is over."""
        scan = asyncio.ensure_future(self.scanned.wait())
        broken = self._client.disconnected
        await asyncio.wait({scan, broken}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        scan.cancel()
        if broken.done() and not broken.cancelled():
            broken.exception()  # the reconnect shows why it broke

    async def log_out(self) -> None:
        """End the new session, since it could not be saved."""
        try:
            await within(self._client(functions.auth.LogOutRequest()), 5.0)
        except StreamerError:
            self._inform('the new session is left over: end it in Telegram under "Devices" (tg-video-streamer)')

    async def close(self) -> None:
        """Disconnect."""
        try:
            await within(self._client.disconnect(), 5.0)
        except SessionUnreachable as trouble:
            self._inform(trouble.what)

    async def _connect(self) -> None:
        if not self._client.is_connected():
            await within(self._client.connect(), ANSWER_SECONDS)

    async def _on_scanned(self, _update: Any) -> None:
        self.scanned.set()
