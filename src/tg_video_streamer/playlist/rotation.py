"""What plays next: the list in its order, a queue by hand in front of it, and the place that survives edits and restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.order import Order, OrderKind, Sequential, Shuffle
from tg_video_streamer.playlist.standing import Position
from tg_video_streamer.playlist.tree import Tree

Available = Callable[[Item], bool]


class Rotation:
    """A list of items, walked through for ever. No I/O, no clock: whoever drives it resolves lists and says what failed.

    Ask `next_available`; where the item resolves to a list, `expand` it and ask again; where it is on air, `advance`.
    """

    def __init__(self, *, order: OrderKind = OrderKind.SEQUENTIAL, loop: bool = True, seed: int = 0) -> None:
        """`seed` makes shuffled orders repeatable; a restored position brings its own."""
        self.loops = loop
        """Whether the list begins anew after its last item."""
        self._tree = Tree()
        self._shuffle = Shuffle(loop=loop, seed=seed) if order is OrderKind.SHUFFLE else None
        self._order: Order = self._shuffle or Sequential(loop=loop)
        self._queue: list[Item] = []
        self._current: Item | None = None
        self._from_queue = False
        self._jump: Item | None = None
        self._last = Position(seed=seed)
        self._resuming: Position | None = None
        self._set_aside: dict[str, float] = {}

    @property
    def current(self) -> Item | None:
        """What `advance` put on air last."""
        return self._current

    @property
    def empty(self) -> bool:
        """Nothing is listed or queued."""
        return not self._tree.run.items and not self._queue

    @property
    def finished(self) -> bool:
        """Everything was played and nothing loops."""
        return not self.empty and self.peek() is None

    @property
    def list_name(self) -> str:
        """Whose items these are; empty for the playlist itself."""
        return self._last.list_name

    def replace(self, entries: Sequence[Item]) -> None:
        """The playlist was edited. What is on air, the queue and the place in the list stay as they are."""
        self._tree.replace(entries)
        self._changed()

    def expand(self, item: Item, children: Sequence[Item]) -> None:
        """`item` is a list of `children`; called again for a list that is known, this refreshes it.

        Raises PlaylistError where lists are nested too deep.
        """
        if any(queued.key == item.key for queued in self._queue):
            fresh = [child for child in children if child.key != item.key]
            at = next(index for index, queued in enumerate(self._queue) if queued.key == item.key)
            self._queue[at : at + 1] = fresh
        self._tree.expand(item, children)
        self._changed()

    def lists(self) -> dict[str, tuple[Item, ...]]:
        """The known children by the key of their list, for refreshing them now and then."""
        return dict(self._tree.lists)

    def peek(self) -> Item | None:
        """What would play next if everything worked; None where the list is empty or finished."""
        return next(self._ahead(), None)

    def next_available(self, available: Available) -> Item | None:
        """The next item for which `available` holds, the others passed over; None where there is none in a whole round.

        Changes nothing: what was passed over has its turn again in the next round. One call costs one look at each
        item at the most, so ask again only after the quarantine's pause.
        """
        return next(filter(available, self._ahead()), None)

    def upcoming(self, count: int | None = None) -> tuple[Item, ...]:
        """The next `count` items or fewer; at most one round ahead, which is what None gives."""
        return tuple(islice(self._ahead(), count))

    def advance(self, item: Item | None = None) -> Item | None:
        """`item` (or what `peek` says) goes on air: it is `current` now, and the place is behind it."""
        item = item or self.peek()
        if item is None:
            return None
        resumed = self._resume_item()
        queued = next((index for index, entry in enumerate(self._queue) if entry.key == item.key), None)
        jumped = self._jump is not None and self._jump.key == item.key
        self._jump = None
        if queued is not None and not jumped and (resumed is None or resumed.key != item.key):
            del self._queue[queued]
            self._from_queue = True
        else:
            self._take(item, item if jumped else resumed)
            self._from_queue = False
            self._resuming = None
        self._set_aside.pop(item.key, None)
        self._current = item
        return item

    def interject(self, item: Item) -> None:
        """`item` goes on air out of its turn, since it was late: the place stays, and a restart resumes it all the same."""
        self._queue = [queued for queued in self._queue if queued.key != item.key]
        self._set_aside.pop(item.key, None)
        self._current = item
        self._from_queue = True

    def jump(self, key: str) -> Item:
        """The item of the list with `key` comes next, before the queue, and the list goes on behind it.

        Raises PlaylistError where it is not in the list as far as that is known.
        """
        index = self._tree.run.nearest(key, 0)
        if index is None:
            raise PlaylistError(f"{key} is not in the playlist", remedy="search for it to get its key")
        self._resuming = None
        self._jump = self._tree.run.items[index]
        self._order.put(index)
        return self._jump

    def turn_to(self, name: str, entries: Sequence[Item], place: Position | None) -> None:
        """Another list takes the place of this one, at its own `place`; what is on air and the queue stay as they are."""
        self._from_queue = self._current is not None
        place = replace(place or Position(seed=self._last.seed), list_name=name)
        self._tree = Tree()
        if self._shuffle is not None:
            self._shuffle = Shuffle(loop=self.loops, seed=place.seed)
        self._order = self._shuffle or Sequential(loop=self.loops)
        self._jump = None
        self.restore(replace(place, queue=tuple(self._queue), set_aside=tuple(self._set_aside.items())))
        self.replace(entries)

    def leave(self) -> Position:
        """The list's own place, for `turn_to`: without what is on air or queued, which does not go with it."""
        place = self.position()
        return replace(place, key="", passed=place.passed or self._current is not None, queue=(), set_aside=())

    def interpose(self, item: Item, *, seconds: float = 0.0) -> None:
        """Play `item` next, from `seconds` on and before what was queued by hand."""
        self._queue = [item, *(queued for queued in self._queue if queued.key != item.key)]
        if seconds > 0:
            self._set_aside[item.key] = seconds

    def queue_add(self, item: Item, *, place: int | None = None) -> None:
        """Queue `item` at `place`, None for the end. Raises PlaylistError where it is queued already."""
        if any(queued.key == item.key for queued in self._queue):
            raise PlaylistError(f"{item.title or item.key} is queued already", remedy="move it, or remove it first")
        self._queue.insert(len(self._queue) if place is None else place, item)

    def queue_move(self, key: str, place: int) -> Item:
        """Give a queued item another place, 0 for the first. Raises PlaylistError where it is not queued."""
        item = self.queue_remove(key)
        self._queue.insert(max(0, place), item)
        return item

    def queue_remove(self, key: str) -> Item:
        """Take a queued item out again. Raises PlaylistError where it is not queued."""
        for index, item in enumerate(self._queue):
            if item.key == key:
                return self._queue.pop(index)
        raise PlaylistError(f"{key} is not queued", remedy="list the queue for the keys that are")

    def queue_clear(self) -> int:
        """Take all queued items out; how many there were."""
        count = len(self._queue)
        self._queue.clear()
        return count

    def queue_list(self) -> tuple[Item, ...]:
        """What is queued by hand, in the order in which it will play."""
        return tuple(self._queue)

    def position(self, seconds: float = 0.0) -> Position:
        """A snapshot; `seconds`: how far into `current`. While a restored position waits to be resumed it is that one."""
        if self._resuming is not None and self._current is None:
            aside = tuple(self._set_aside.items())
            return replace(self._resuming, queue=tuple(self._queue), set_aside=aside)
        on_air = (self._current,) if self._from_queue and self._current is not None else ()
        return replace(
            self._last,
            key=self._current.key if self._current else "",
            seconds=seconds,
            passed=self._from_queue,
            seed=self._shuffle.seed if self._shuffle else self._last.seed,
            round_number=self._shuffle.round if self._shuffle else 0,
            played=frozenset(self._shuffle.played) if self._shuffle else frozenset(),
            queue=(*on_air, *self._queue),
            set_aside=tuple(self._set_aside.items()),
        )

    def restore(self, position: Position) -> None:
        """Go on where `position` was taken: its item comes next, before the queue, at `resume_seconds`."""
        self._queue = list(position.queue)
        self._set_aside = dict(position.set_aside)
        self._last = position
        self._resuming = position
        if self._shuffle is not None:
            self._shuffle.restore(
                seed=position.seed,
                round_number=position.round_number,
                played=position.played,
                last=position.trail[-1] if position.trail else "",
            )
        self._settle()

    def resume_seconds(self, item: Item) -> float:
        """Where `item` was when it was cut or the restored position taken; 0 for all others. Ask before `advance`."""
        resuming = self._resuming
        if resuming and self._current is None and resuming.key == item.key:
            return resuming.seconds
        return self._set_aside.get(item.key, 0.0)

    def _ahead(self) -> Iterator[Item]:
        resumed = self._resume_item()
        first = self._jump or resumed
        if first is not None:
            yield first
        yield from self._queue
        if self._jump is not None and self._shuffle is not None and self._jump.key in self._shuffle.played:
            first = None  # it was in this round already, and has its turn in the next one
        for item in self._order.ahead():
            if first is not None and item.key == first.key:
                first = None
                continue
            yield item

    def _take(self, item: Item, resumed: Item | None) -> None:
        # A shuffled item that is resumed was played in this round already: taking it again would begin the next round.
        resumes = resumed is not None and resumed.key == item.key
        if (resumes and self._shuffle is not None and item.key in self._shuffle.played) or self._order.take(item):
            run = self._tree.run
            index = run.nearest(item.key, self._order_index(item))
            if index is not None:
                first = run.entry_indexes.index(run.entry_indexes[index])
                self._last = Position(
                    seed=self._last.seed,
                    list_name=self._last.list_name,
                    trail=(*run.trails[index], item.key),
                    entry_index=run.entry_indexes[index],
                    child_index=index - first,
                )

    def _order_index(self, item: Item) -> int:
        place = self._order.place if isinstance(self._order, Sequential) else None
        return place - 1 if place is not None else self._tree.run.nearest(item.key, 0) or 0

    def _changed(self) -> None:
        self._order.replace(self._tree.run)
        if self._jump is not None and self._tree.run.nearest(self._jump.key, 0) is None:
            self._jump = None
        if self._resuming is not None:
            self._settle()

    def _resume_item(self) -> Item | None:
        """What stands for the item to be resumed: itself, or the list out of which it has yet to come."""
        resuming = self._resuming
        if resuming is None or resuming.passed:
            return None
        index = self._resume_index(resuming)
        return None if index is None else self._tree.run.items[index]

    def _resume_index(self, resuming: Position) -> int | None:
        for key in reversed(resuming.trail):
            index = self._tree.run.nearest(key, resuming.entry_index + resuming.child_index)
            if index is not None:
                return index
        return None

    def _settle(self) -> None:
        """Put the place where the restored position says, as far as the lists are known by now."""
        resuming, run = self._resuming, self._tree.run
        if resuming is None or not resuming.trail or not run.items:
            return
        index = self._resume_index(resuming)
        if index is not None:
            found = run.items[index].key == resuming.trail[-1]
            self._order.put(index + 1 if found and resuming.passed else index)
            return
        inside = [i for i, entry_index in enumerate(run.entry_indexes) if entry_index >= resuming.entry_index]
        if inside:
            same = [i for i in inside if run.entry_indexes[i] == run.entry_indexes[inside[0]]]
            self._order.put(same[min(resuming.child_index, len(same) - 1)])
        else:
            self._order.put(len(run.items))
        self._resuming = replace(resuming, trail=()) if resuming.passed else None
