"""Decides which connection without a key makes room for a new one, so that none locks the operator's encoder out; pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

MAX_UNAUTHENTICATED = 16
"""Connections without the key, of all peers that have never shown it."""
MAX_PER_PEER = 4
_MAX_KNOWN_PEERS = 64
"""The ones that published longest ago are forgotten."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unauthenticated:
    """A connection that has not shown the key; `number` grows with each one, `progress` with what it has said."""

    number: int
    peer: str
    progress: int


class Admission:
    """A new connection is always taken. Of too many, the one goes that has come least far, and of these the oldest.

    A peer that has published has places of its own: connections of others never take them.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()

    def published(self, peer: str) -> None:
        """`peer` has shown the right key."""
        self._known[peer] = None
        self._known.move_to_end(peer)
        if len(self._known) > _MAX_KNOWN_PEERS:
            self._known.popitem(last=False)

    def surplus(self, peer: str, held: Collection[Unauthenticated]) -> int | None:
        """The connection to close before one of `peer` is taken next to the `held`; None: there is room."""
        own = [one for one in held if one.peer == peer]
        if len(own) >= MAX_PER_PEER:
            return min(own, key=lambda one: (one.progress, one.number)).number
        strangers = [one for one in held if one.peer not in self._known]
        if peer in self._known or len(strangers) < MAX_UNAUTHENTICATED:
            return None
        counts = Counter(one.peer for one in strangers)
        return min(strangers, key=lambda one: (-counts[one.peer], one.progress, one.number)).number
