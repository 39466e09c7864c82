"""Links that must lead to the public internet: no notation of a private address is accepted."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.errors import PlaylistError, ResolveError, SourceGone
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.resolve.public_addresses import is_public, refuse_private

_PRIVATE = st.sampled_from(
    ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
)


@given(_PRIVATE.flatmap(lambda network: st.ip_addresses(network=network)))
def test_private_addresses_are_not_public_however_they_are_wrapped(address: ipaddress.IPv4Address) -> None:
    """An address of a private network is not public, nor is one inside an IPv6 address."""
    number = int(address)
    wrapped = (
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
    )
    assert not any(is_public(str(one)) for one in (address, *wrapped))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_are_public(address: str) -> None:
    """An address that the whole internet reaches may be reached."""
    assert is_public(address)


@pytest.mark.parametrize("address", ["::1", "fe80::1%eth0", "fc00::1", "ff02::1", "0.0.0.0", "224.0.0.1", "no address"])
def test_what_is_not_public(address: str) -> None:
    """Loopback, link-local, unique local, multicast, nothing at all."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://[::ffff:7f00:1]/x", "http://localhost:9090"],
)
async def test_a_url_into_the_host_is_refused(url: str) -> None:
    """Every notation of the host's own address is refused, and the error does not contain the link."""
    with pytest.raises(SourceGone) as caught:
        await refuse_private([url])
    assert url not in str(caught.value)


async def test_a_host_without_an_address_is_told() -> None:
    """An unknown host name is an error that may end later."""
    with pytest.raises(ResolveError, match="no address now"):
        await refuse_private(["http://name.invalid/"])


def test_the_option_of_a_line() -> None:
    """`public=1` restricts a line's item to the public internet; any value but 1 and 0 is an error."""
    allowed = AllowedFolders(("/media",))
    assert parse_line("https://example.org/a | public=1", base="/media", allowed=allowed).public_only
    assert not parse_line("https://example.org/a", base="/media", allowed=allowed).public_only
    with pytest.raises(PlaylistError, match="neither 1 nor 0"):
        parse_line("https://example.org/a | public=yes", base="/media", allowed=allowed)
