"""Connections in addition to the account's own: to other data centers by an exported authorization, and to its own for files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from telethon import TelegramClient
from telethon.sessions import StringSession
from telethon.tl.functions.auth import ExportAuthorizationRequest, ImportAuthorizationRequest
from telethon.tl.functions.help import GetConfigRequest
from telethon.tl.tlobject import TLRequest

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import FloodWait, SessionEnded, SessionUnreachable, StreamerError, TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.client.boundary import method_of
from tg_video_streamer.telegram.client.client import KEY_RETRIES, make_client
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.deadline import hang_up, within
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter
from tg_video_streamer.telegram.client.waits import FloodWaits

log = structlog.get_logger(__name__)

_CONNECT_SECONDS = 20.0
_AT_ONCE_SECONDS = 2.0
"""A longer pause before a new authorization is left to those who ask."""


class DataCenters:
    """One client a data center, connected at the first request.

    Where another data center no longer knows its key, or says that the account is not logged in there, a new key and an
    authorization exported anew are all it takes: only the account's own connection decides whether its session has ended.
    """

    def __init__(self, credentials: Credentials, *, clock: Clock, waits: FloodWaits) -> None:
        """A separate limiter: failures of another data center must not delay the account's own connection."""
        self._credentials = credentials
        self._limiter = ConnectionLimiter(clock)
        self._waits = waits
        self._clients: dict[int, TelegramClient] = {}
        self._lock = asyncio.Lock()

    async def invoke(self, own: TelegramClient, dc_id: int, request: TLRequest, *, seconds: float) -> Any:
        """Ask data center `dc_id`; `own` is the account's connected client. Raises StreamerError."""
        try:
            return await self._invoke(own, dc_id, request, seconds)
        except _ForgottenError:
            if (pause := self._limiter.pause()) > _AT_ONCE_SECONDS:
                raise
        # Export and import once more.
        await asyncio.sleep(pause)
        return await self._invoke(own, dc_id, request, seconds)

    async def close(self) -> None:
        """Disconnect from all of them."""
        for dc_id in list(self._clients):
            await self._drop(dc_id)

    async def _invoke(self, own: TelegramClient, dc_id: int, request: TLRequest, seconds: float) -> Any:
        client = await self._connected(own, dc_id)
        try:
            with _elsewhere(dc_id):
                return await within(client(request), seconds, broken=client.disconnected)
        except _ForgottenError:
            if self._clients.get(dc_id) is client:
                self._limiter.lost()
                await self._drop(dc_id)
            raise

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
            with _elsewhere(dc_id):
                await within(client.connect(), _CONNECT_SECONDS)
            return client
        config = await self._ask(own, GetConfigRequest())
        options = [one for one in config.dc_options if one.id == dc_id and not (one.cdn or one.media_only or one.ipv6)]
        if not options:
            raise TelegramRefused(Message.of("telegram.no_data_center", number=dc_id), word="DC_ID_INVALID")
        session.set_dc(dc_id, options[0].ip_address, options[0].port)
        client = make_client(self._credentials, session, retries=KEY_RETRIES, updates=False)
        self._clients[dc_id] = client
        with _elsewhere(dc_id):
            await within(client.connect(), _CONNECT_SECONDS)
        exported = await self._ask(own, ExportAuthorizationRequest(dc_id))
        with _elsewhere(dc_id):
            await self._ask(client, ImportAuthorizationRequest(id=exported.id, bytes=exported.bytes))
        return client

    async def _ask(self, client: TelegramClient, request: TLRequest) -> Any:
        method = method_of(request)
        self._waits.check(method)
        try:
            return await within(client(request), _CONNECT_SECONDS, broken=client.disconnected)
        except FloodWait as wait:
            raise self._waits.asked(method, wait) from wait

    async def _drop(self, dc_id: int) -> None:
        client = self._clients.pop(dc_id, None)
        if client is None:
            return
        try:
            await hang_up(client)
        except StreamerError as trouble:
            log.info("connection to another data center closed badly", number=dc_id, why=trouble.what)


class _ForgottenError(TelegramRefused):
    """Another data center does not know its key, or not the account behind it."""

    reason = "data_center_forgot"


@contextmanager
def _elsewhere(dc_id: int) -> Iterator[None]:
    """What a data center other than the account's own calls the end of a session is none."""
    try:
        yield
    except SessionEnded as ending:
        raise _ForgottenError(Message.of("telegram.forgotten", number=dc_id), word="AUTH_KEY_UNREGISTERED") from ending
