"""Connections in addition to the account's own: to other data centers by an exported authorization, and to its own for files."""

from __future__ import annotations

import asyncio
from typing import Any

from telethon import TelegramClient
from telethon.sessions import StringSession
from telethon.tl.functions.auth import ExportAuthorizationRequest, ImportAuthorizationRequest
from telethon.tl.functions.help import GetConfigRequest
from telethon.tl.tlobject import TLRequest

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import SessionEnded, SessionUnreachable, TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.client.client import KEY_RETRIES, make_client
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.deadline import within
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter


class DataCenters:
    """One client a data center, connected at the first request."""

    def __init__(self, credentials: Credentials, *, clock: Clock) -> None:
        """A separate limiter: failures of another data center must not delay the account's own connection."""
        self._credentials = credentials
        self._limiter = ConnectionLimiter(clock)
        self._clients: dict[int, TelegramClient] = {}
        self._lock = asyncio.Lock()

    async def invoke(self, own: TelegramClient, dc_id: int, request: TLRequest, *, seconds: float) -> Any:
        """Ask data center `dc_id`; `own` is the account's connected client. Raises what Telethon raises, and our errors."""
        client = await self._connected(own, dc_id)
        try:
            return await within(client(request), seconds, broken=client.disconnected)
        except SessionEnded:
            # Only the account's own connection decides whether its session has ended.
            if self._clients.get(dc_id) is client:
                await self._drop(dc_id)
            raise TelegramRefused(Message.of("telegram.forgotten"), word="AUTH_KEY_UNREGISTERED") from None

    async def close(self) -> None:
        """Disconnect from all of them."""
        for dc_id in list(self._clients):
            await self._drop(dc_id)

    async def _connected(self, own: TelegramClient, dc_id: int) -> TelegramClient:
        async with self._lock:
            client = self._clients.get(dc_id)
            if client is not None and client.is_connected():
                return client
            await self._drop(dc_id)
            if (pause := self._limiter.pause()) > 0:
                raise SessionUnreachable(Message.of("telegram.too_often"), seconds=pause)
            self._limiter.attempt()
            try:
                client = await self._connect(own, dc_id)
            except BaseException:
                self._limiter.lost()
                await self._drop(dc_id)
                raise
            self._limiter.connected()
            return client

    async def _connect(self, own: TelegramClient, dc_id: int) -> TelegramClient:
        session = StringSession()
        if dc_id == own.session.dc_id:
            session.set_dc(dc_id, own.session.server_address, own.session.port)
            session.auth_key = own.session.auth_key
            client = self._clients[dc_id] = make_client(self._credentials, session, updates=False)
            await client.connect()
            return client
        config = await own(GetConfigRequest())
        options = [one for one in config.dc_options if one.id == dc_id and not (one.cdn or one.media_only or one.ipv6)]
        if not options:
            raise TelegramRefused(Message.of("telegram.no_data_center", number=dc_id), word="DC_ID_INVALID")
        session.set_dc(dc_id, options[0].ip_address, options[0].port)
        client = make_client(self._credentials, session, retries=KEY_RETRIES, updates=False)
        self._clients[dc_id] = client
        await client.connect()
        exported = await own(ExportAuthorizationRequest(dc_id))
        await client(ImportAuthorizationRequest(id=exported.id, bytes=exported.bytes))
        return client

    async def _drop(self, dc_id: int) -> None:
        client = self._clients.pop(dc_id, None)
        if client is not None:
            await client.disconnect()
