"""Checks that a URL leads to the public internet: not to this host, its network, or a cloud's metadata service."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from tg_video_streamer.errors import ResolveError, SourceGone

_LOOK_UP_SECONDS = 10.0


async def refuse_private(urls: Iterable[str]) -> None:
    """Raise SourceGone if one of the hosts has an address that is not public, ResolveError if one has no address now.

    An address may change after this check, and a server may redirect: so both the given URL and its media URLs are
    checked. The error never contains the URL.
    """
    for host in {urlsplit(url).hostname or "" for url in urls}:
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise ResolveError.of("source.no_address", host=host) from error
        if not all(is_public(str(address[0])) for *_, address in found):
            raise SourceGone.of("source.private_network")


def is_public(address: str) -> bool:
    """Whether an IPv4 or IPv6 address is public (RFC 6890); embedded IPv4 addresses must be public too."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are an IPv4 address."""
