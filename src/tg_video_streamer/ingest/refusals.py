"""Keeps refused peers from flooding the log, and says what one peer is; pure."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

WINDOW_SECONDS = 60.0
"""A refusal of a peer is logged once in this time."""
_MAX_PEERS = 1024
"""The ones logged longest ago are forgotten."""


class RefusalLog:
    """When a refusal was last logged, by peer: an IPv4 address, or the network of an IPv6 one, which has many."""

    def __init__(self) -> None:
        self._logged: OrderedDict[str, float] = OrderedDict()

    def is_first(self, peer: str, now: float) -> bool:
        """Whether this refusal is the one to log; `now` in monotonic seconds."""
        last = self._logged.get(peer)
        if last is not None and now - last < WINDOW_SECONDS:
            return False
        self._logged.pop(peer, None)
        self._logged[peer] = now
        if len(self._logged) > _MAX_PEERS:
            self._logged.popitem(last=False)
        return True


def peer_of(host: str) -> str:
    """One peer: an IPv4 address, or the /64 of an IPv6 one, which one customer gets."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


def class_of(host: str) -> str:
    """Where a peer is: `this_host`, `local_network` or `internet`."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "internet"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return "this_host"
    return "local_network" if address.is_private or address.is_link_local else "internet"
