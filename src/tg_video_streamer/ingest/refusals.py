"""Counts refusals per peer, so that the key cannot be guessed and the log cannot be flooded; pure."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque

MAX_REFUSALS = 5
"""A peer with so many within WINDOW_SECONDS is blocked until some are older."""
WINDOW_SECONDS = 60.0
_MAX_PEERS = 1024
"""The ones seen longest ago are forgotten."""


class RefusalCounter:
    """Times of refusals by peer: an IPv4 address, or the network of an IPv6 one, which has many."""

    def __init__(self) -> None:
        self._refused: OrderedDict[str, deque[float]] = OrderedDict()

    def blocked(self, peer: str, now: float) -> bool:
        """Whether it was refused so often that it gets no answer; `now` in monotonic seconds."""
        refused = self._refused.get(peer)
        if refused is None:
            return False
        while refused and now - refused[0] >= WINDOW_SECONDS:
            refused.popleft()
        if not refused:
            del self._refused[peer]
        return len(refused) >= MAX_REFUSALS

    def refused(self, peer: str, now: float) -> bool:
        """Count a refusal; whether it is the first for a while, the one to log."""
        first = not self.blocked(peer, now) and peer not in self._refused
        times = self._refused.setdefault(peer, deque(maxlen=MAX_REFUSALS))
        times.append(now)
        self._refused.move_to_end(peer)
        if len(self._refused) > _MAX_PEERS:
            self._refused.popitem(last=False)
        return first


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
