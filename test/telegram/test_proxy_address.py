"""TELEGRAM_PROXY: every way of writing a proxy, and messages that repeat no secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.telegram.client.proxy import Proxy, ProxyKind, read_proxy

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - no one's


@pytest.mark.parametrize(
    "text",
    [
        f"mtproto://{SECRET}@proxy.example:443",
        f"tg://proxy?server=proxy.example&port=443&secret={SECRET}",
        f"https://t.me/proxy?server=proxy.example&port=443&secret=dd{SECRET}",
        "https://t.me/proxy?server=proxy.example&port=443&secret=3QEjRWeJq83vASNFZ4mrze8",
    ],
)
def test_mtproto(text: str) -> None:
    """Links and addresses of an MTProto proxy, with hexadecimal and base64 secrets, mean the same."""
    assert read_proxy(text) == Proxy(kind=ProxyKind.MTPROTO, host="proxy.example", port=443, secret=SECRET)


@pytest.mark.parametrize(
    "text", ["socks5://me:p%40ss@proxy.example:1080", "tg://socks?server=proxy.example&port=1080&user=me&pass=p%40ss"]
)
def test_socks(text: str) -> None:
    """A SOCKS5 address and Telegram's link for it mean the same."""
    proxy = read_proxy(text)
    assert (proxy.kind, proxy.host, proxy.port) == (ProxyKind.SOCKS5, "proxy.example", 1080)
    assert (proxy.user, proxy.password) == ("me", "p@ss")
    assert "p@ss" not in repr(proxy)


@pytest.mark.parametrize(
    "text",
    ["http://proxy:80", f"mtproto://ee{SECRET}6578616d706c65@h:1", "mtproto://abc@h:1", "socks5://:1", "socks5://h"],
)
def test_refused(text: str) -> None:
    """What is no proxy that carries Telegram is refused, and the message repeats nothing of it."""
    with pytest.raises(ConfigError) as raised:
        read_proxy(text)
    assert text not in str(raised.value)
    assert SECRET not in str(raised.value)


@given(st.one_of(st.text(), st.text(alphabet="socks5mtproto:/@?=&[]%0", max_size=60)))
def test_anything(text: str) -> None:
    """Any text is a proxy or a ConfigError."""
    try:
        proxy = read_proxy(text)
    except ConfigError:
        return
    assert proxy.host
    assert 0 < proxy.port < 65536
