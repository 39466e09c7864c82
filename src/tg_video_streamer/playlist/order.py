"""Sequential and shuffled order over a run of items, each with its position; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.tree import Run

_ROUNDS_TRIED = 64


class OrderKind(StrEnum):
    """How the next item is chosen."""

    SEQUENTIAL = "sequential"
    SHUFFLE = "shuffle"


class Order(Protocol):
    """A position in a run of items."""

    def replace(self, run: Run) -> None:
        """The run has changed; the position stays among the items that are left."""

    def ahead(self) -> Iterator[Item]:
        """The items after the position: the rest of this round and, in a loop, one more round."""

    def take(self, item: Item) -> bool:
        """Move past the next occurrence of `item`; False where it is no longer in the run."""

    def put(self, index: int) -> None:
        """Move to before `index` of the run; a shuffled order has no index."""


class Sequential:
    """The order of the list itself."""

    def __init__(self, *, loop: bool) -> None:
        """`loop`: start again after the last item."""
        self._loop = loop
        self._run = Run()
        self._next = 0

    @property
    def place(self) -> int:
        """The index of the next item; the length of the run at its end."""
        return self._next

    def replace(self, run: Run) -> None:
        """See Order: the position stays behind the last item before it that is left."""
        old, self._run = self._run, run
        left = {item.key for item in run.items}
        for index in range(min(self._next, len(old.items)) - 1, -1, -1):
            key = old.items[index].key
            if key in left:
                place = run.nearest(key, index)
                self._next = 0 if place is None else place + 1
                return
        self._next = 0

    def ahead(self) -> Iterator[Item]:
        """See Order."""
        items = self._run.items
        for index in range(self._next, len(items)):
            yield items[index]
        if self._loop:
            for index in range(self._next):
                yield items[index]

    def take(self, item: Item) -> bool:
        """See Order."""
        for step, found in enumerate(self.ahead()):
            if found.key == item.key:
                self._next = (self._next + step) % len(self._run.items) + 1
                return True
        return False

    def put(self, index: int) -> None:
        """See Order."""
        self._next = index


class Shuffle:
    """Every item once a round, in an order that is a function of seed, round and key alone.

    An edit or an expanded list inserts its items without changing the order of the others, and a restart needs only the
    keys that were played.
    """

    def __init__(self, *, loop: bool, seed: int) -> None:
        """`seed`: the same one gives the same orders."""
        self._loop = loop
        self.seed = seed
        self.round = 0
        self.played: set[str] = set()
        self.last = ""
        self._run = Run()
        self._left: list[Item] | None = None

    def replace(self, run: Run) -> None:
        """See Order."""
        self._run = run
        self._left = None

    def restore(self, *, seed: int, round_number: int, played: frozenset[str], last: str) -> None:
        """Continue the interrupted round; `last` is the key that was played last."""
        self.seed, self.round, self.played, self.last = seed, round_number, set(played), last
        self._left = None

    def ahead(self) -> Iterator[Item]:
        """See Order."""
        if self._left is None:
            self._left = self._sorted(self.round, {item.key for item in self._run.items} - self.played)
        yield from self._left
        if self._loop:
            yield from self._sorted(self._following_round(self._left), {item.key for item in self._run.items})

    def take(self, item: Item) -> bool:
        """See Order."""
        keys = {found.key for found in self._run.items}
        if item.key not in keys:
            return False
        if item.key in self.played:
            if not self._loop:
                return False
            self.round = self._following_round(self._left or [])
            self.played = set()
            self._left = None
        self.played.add(item.key)
        self.last = item.key
        if self._left is not None:
            self._left = [left for left in self._left if left.key != item.key]
        return True

    def put(self, index: int) -> None:
        """See Order."""

    def _following_round(self, left: list[Item]) -> int:
        """The next round that does not start with the item that was played last, or that ends `left`, if possible."""
        keys = {item.key for item in self._run.items}
        unwanted = {left[-1].key if left else self.last} | ({self.last} if len(keys) > 2 else set())
        for number in range(self.round + 1, self.round + 1 + _ROUNDS_TRIED):
            if len(keys) < 2 or min(keys, key=lambda key: self._rank(number, key)) not in unwanted:
                return number
        return self.round + 1

    def _sorted(self, number: int, keys: set[str]) -> list[Item]:
        items = {item.key: item for item in self._run.items if item.key in keys}
        return sorted(items.values(), key=lambda item: self._rank(number, item.key))

    def _rank(self, number: int, key: str) -> bytes:
        return hashlib.blake2b(f"{self.seed}:{number}:{key}".encode(), digest_size=8).digest()
