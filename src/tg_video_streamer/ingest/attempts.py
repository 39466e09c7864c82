"""Counts who was refused how often, so that a key cannot be guessed and the log cannot be filled; pure."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque

MOST_REFUSALS = 5
"""So many within WINDOW_SECONDS, and a peer is not listened to until some of them are as old."""
WINDOW_SECONDS = 60.0
_MOST_PEERS = 1024
"""Those that were not heard of for longest are forgotten."""


class Attempts:
    """Who was refused when, by peer: an IPv4 address, or the network of an IPv6 one, which has many."""

    def __init__(self) -> None:
        self._refused: OrderedDict[str, deque[float]] = OrderedDict()

    def blocked(self, peer: str, now: float) -> bool:
        """Whether it has been refused so often that it is not asked any more; `now` in monotonic seconds."""
        refused = self._refused.get(peer)
        if refused is None:
            return False
        while refused and now - refused[0] >= WINDOW_SECONDS:
            refused.popleft()
        if not refused:
            del self._refused[peer]
        return len(refused) >= MOST_REFUSALS

    def refused(self, peer: str, now: float) -> bool:
        """Remember a refusal; whether it is the first for a while, which is the one that belongs into the log."""
        first = not self.blocked(peer, now) and peer not in self._refused
        times = self._refused.setdefault(peer, deque(maxlen=MOST_REFUSALS))
        times.append(now)
        self._refused.move_to_end(peer)
        if len(self._refused) > _MOST_PEERS:
            self._refused.popitem(last=False)
        return first


def peer_of(host: str) -> str:
    """What counts as one peer: an IPv4 address itself, of an IPv6 one the /64 that a customer gets."""
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
    """Where a peer is, for people: `this host`, `the local network` or `the internet`."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "the internet"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return "this host"
    return "the local network" if address.is_private or address.is_link_local else "the internet"
