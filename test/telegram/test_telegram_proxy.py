"""TELEGRAM_PROXY on the wire: what is configured carries the connection, and nothing goes around it."""

from __future__ import annotations

import pytest
from telethon.tl.functions.updates import GetStateRequest

from stands.telegram_account import connected, new_account
from stands.telegram_dc.server import TelegramStand
from stands.telegram_proxy import SECRET, mtproto_proxy, socks_proxy
from tg_video_streamer.errors import SessionUnreachable


async def test_socks() -> None:
    """Through a SOCKS5 proxy with a password, every connection goes, the one after a loss too."""
    with TelegramStand() as stand, socks_proxy() as proxy:
        async with connected(stand, proxy=f"socks5://me:p%40ss@127.0.0.1:{proxy.port}") as account:
            stand.drop()
            await account.invoke(GetStateRequest())
            assert proxy.connections == stand.connections_made == 2


async def test_mtproto() -> None:
    """Through an MTProto proxy with its secret, the account is reached."""
    with TelegramStand() as stand, mtproto_proxy(stand.port) as proxy:
        link = f"https://t.me/proxy?server=127.0.0.1&port={proxy.port}&secret=dd{SECRET}"
        async with connected(stand, proxy=link) as account:
            await account.invoke(GetStateRequest())
            assert proxy.connections == stand.connections_made == 1


@pytest.mark.parametrize("address", ["socks5://me:wrong@127.0.0.1:{port}", "socks5://127.0.0.1:{port}"])
async def test_refusing_proxy(address: str) -> None:
    """A proxy that refuses is no ending of the session, and is not gone around."""
    with TelegramStand() as stand, socks_proxy() as proxy:
        account = new_account(stand, proxy=address.format(port=proxy.port))
        with pytest.raises(SessionUnreachable):
            await account.connect()
        assert stand.connections_made == 0
        await account.close()
