"""Flattens the playlist's entries and expanded lists into one run of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.item import Item

MAX_DEPTH = 4
"""Lists within lists: a channel of playlists in an .m3u in a folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Every item in the order of the list, lists replaced by their children as far as those are known."""

    items: tuple[Item, ...] = ()
    trails: tuple[tuple[str, ...], ...] = ()
    """The keys of the lists that contain each item, outermost first; empty for an entry of the playlist."""
    entry_indexes: tuple[int, ...] = ()
    """Which entry of the playlist each item belongs to."""

    def nearest(self, key: str, index: int) -> int | None:
        """The index of `key` that is nearest to `index`; None where there is none."""
        places = [place for place, item in enumerate(self.items) if item.key == key]
        return min(places, key=lambda place: (abs(place - index), -place)) if places else None


class Tree:
    """The playlist's entries and the children of those that turned out to be lists."""

    def __init__(self) -> None:
        self._entries: tuple[Item, ...] = ()
        self._children: dict[str, tuple[Item, ...]] = {}
        self._run = Run()

    @property
    def run(self) -> Run:
        """The flattened items as of the last change."""
        return self._run

    @property
    def lists(self) -> dict[str, tuple[Item, ...]]:
        """The known children by the key of their list."""
        return self._children

    def replace(self, entries: Sequence[Item]) -> None:
        """Replace the entries; known children of remaining lists stay."""
        self._entries = tuple(entries)
        self._rebuild()

    def expand(self, item: Item, children: Sequence[Item]) -> None:
        """`item` is a list of `children`. A list that contains itself loses that child.

        Raises PlaylistError where lists are nested deeper than MAX_DEPTH.
        """
        depths = [
            len(trail) for found, trail in zip(self._run.items, self._run.trails, strict=True) if found.key == item.key
        ]
        if depths and min(depths) >= MAX_DEPTH:
            raise PlaylistError.of("list.too_deep", title=item.title or item.key, limit=MAX_DEPTH)
        self._children[item.key] = tuple(children)
        self._rebuild()

    def _rebuild(self) -> None:
        items: list[Item] = []
        trails: list[tuple[str, ...]] = []
        indexes: list[int] = []
        seen: set[str] = set()
        for index, entry in enumerate(self._entries):
            for item, trail in self._walk(entry, (), seen):
                items.append(item)
                trails.append(trail)
                indexes.append(index)
        self._children = {key: children for key, children in self._children.items() if key in seen}
        self._run = Run(items=tuple(items), trails=tuple(trails), entry_indexes=tuple(indexes))

    def _walk(self, item: Item, trail: tuple[str, ...], seen: set[str]) -> Iterator[tuple[Item, tuple[str, ...]]]:
        children = self._children.get(item.key)
        if children is None:
            yield item, trail
            return
        seen.add(item.key)
        inner = (*trail, item.key)
        if len(inner) > MAX_DEPTH:
            return
        for child in children:
            if child.key not in inner:
                yield from self._walk(child, inner, seen)
