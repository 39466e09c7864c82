"""Makes Telethon's client from credentials: without a file on disk, sleeps or automatic reconnects."""

from __future__ import annotations

import asyncio
import logging
from importlib.util import find_spec
from typing import Any

from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.network import ConnectionTcpFull, ConnectionTcpMTProxyRandomizedIntermediate
from telethon.sessions import StringSession

from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import ConfigError, SessionEnding, SessionUnreachable, TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.telegram.client.boundary import session_ended
from tg_video_streamer.telegram.client.corrections import limit_corrections
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.proxy import ProxyKind, read_proxy
from tg_video_streamer.telegram.client.session_string import read_session_string, telethon_string

FIRST_DATA_CENTER = 2
"""Where a client without a session begins; Telegram sends it on from there."""
KEY_RETRIES = 3
"""For making a new key: Telethon drops a key's leading zero byte, so one exchange in 256 fails."""

_quiet = logging.getLogger("telethon.quiet")
# Its texts may contain whole requests with codes in them; failures reach us as errors.
_quiet.setLevel(logging.CRITICAL + 1)


async def make_session(credentials: Credentials) -> StringSession:
    """The session in memory, pointed at TELEGRAM_SERVER where set; raises SessionEnded (garbage), SessionUnreachable.

    Without a session string it is empty, for a login.
    """
    remember_secret(credentials.session, credentials.api_hash)
    string = telethon_string(read_session_string(credentials.session)) if credentials.session else None
    session = StringSession(string)
    if credentials.server:
        address, port = await _resolved(credentials.server)
        sent_on = session.dc_id not in {0, FIRST_DATA_CENTER} and session.server_address == address
        if not sent_on:  # at login the server redirects to another data center, at another port
            session.set_dc(session.dc_id or FIRST_DATA_CENTER, address, port)
    if credentials.server_key is not None:
        rsa.add_key(DISKS.wait(START_SECONDS, credentials.server_key, credentials.server_key.read_text), old=False)
    return session


def make_client(
    credentials: Credentials,
    session: StringSession,
    *,
    retries: int = 0,
    updates: bool = True,
    may_move: bool = False,
) -> TelegramClient:
    """A client that is not connected; raises SessionEnded (wrong_api), ConfigError (proxy).

    `retries` is how often `connect` tries again at once; without `updates` it is sent none. `may_move`: it goes to
    another data center where Telegram says so, with a new key; a session that exists would be lost by that.
    """
    if not credentials.api_id or not credentials.api_hash:
        raise session_ended(SessionEnding.WRONG_API)

    class Client(TelegramClient):  # type: ignore[misc]  # Telethon has no types
        """Its own class, since Telethon caches the addresses of the data centers on the class."""

        _config = None

        async def _switch_dc(self, new_dc: int) -> None:
            if not may_move:
                raise TelegramRefused(Message.of("telegram.moved", number=new_dc), word=f"USER_MIGRATE_{new_dc}")
            await super()._switch_dc(new_dc)

    client = Client(
        session,
        credentials.api_id,
        credentials.api_hash,
        use_ipv6=":" in (session.server_address or ""),
        request_retries=1,
        receive_updates=updates,
        raise_last_call_error=True,
        connection_retries=retries,
        retry_delay=0,
        auto_reconnect=False,
        flood_sleep_threshold=0,
        device_model="tg-video-streamer",
        app_version="1.0",
        base_logger=_quiet,
        **_proxy_arguments(credentials.proxy),
    )
    client._flood_waited_requests = _Forgetful()  # noqa: SLF001 - ours are counted by a clock that is not set
    limit_corrections(client)
    return client


class _Forgetful(dict[int, float]):
    """Telethon's memory of FLOOD_WAITs, which forgets: see FloodWaits."""

    def __setitem__(self, key: int, value: float) -> None:
        """Remember nothing."""


def _proxy_arguments(text: str) -> dict[str, Any]:
    """Telethon's two arguments for the way to the server."""
    if not text:
        return {"connection": ConnectionTcpFull}
    proxy = read_proxy(text)
    if proxy.kind is ProxyKind.MTPROTO:
        where = (proxy.host, proxy.port, proxy.secret)
        return {"connection": ConnectionTcpMTProxyRandomizedIntermediate, "proxy": where}
    if find_spec("python_socks") is None:
        # Telethon would connect without the proxy.
        raise ConfigError(["TELEGRAM_PROXY: SOCKS5 needs the package python-socks, which is not installed"])
    through = ("socks5", proxy.host, proxy.port, True, proxy.user or None, proxy.password or None)
    return {"connection": ConnectionTcpFull, "proxy": through}


async def _resolved(server: str) -> tuple[str, int]:
    """IP address and port of `host:port`, since a session string can hold no name."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(["TELEGRAM_SERVER: write host:port"])
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), int(port))
    except OSError:
        raise SessionUnreachable.of("telegram.no_address") from None
    return str(found[0][4][0]), int(port)
