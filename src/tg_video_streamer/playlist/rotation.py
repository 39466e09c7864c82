"""What plays next: the operator's queue, then the list in its order; the position survives edits and restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.order import Order, OrderKind, Sequential, Shuffle
from tg_video_streamer.playlist.position import Position
from tg_video_streamer.playlist.tree import Tree

Available = Callable[[Item], bool]


class Rotation:
    """No I/O and no clock: the director resolves lists and handles failures.

    Call `next_available`; where the item resolves to a list, `expand` it and call again; where it is on air, `advance`.
    """

    def __init__(self, *, order: OrderKind = OrderKind.SEQUENTIAL, loop: bool = True, seed: int = 0) -> None:
        """`seed` makes shuffled orders repeatable; a restored position has its own."""
        self.loops = loop
        """Whether the list starts again after its last item."""
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
        """The item that `advance` put on air last."""
        return self._current

    @property
    def empty(self) -> bool:
        """Nothing is listed or queued."""
        return not self._tree.run.items and not self._queue

    @property
    def finished(self) -> bool:
        """Everything was played and the list does not loop."""
        return not self.empty and self.peek() is None

    @property
    def list_name(self) -> str:
        """The list that the items belong to; empty for the playlist itself."""
        return self._last.list_name

    def replace(self, entries: Sequence[Item]) -> None:
        """The playlist was edited. The item on air, the queue and the position in the list stay."""
        self._tree.replace(entries)
        self._changed()

    def expand(self, item: Item, children: Sequence[Item]) -> None:
        """`item` is a list of `children`; a known list is refreshed.

        Raises PlaylistError where lists are nested too deep.
        """
        if any(queued.key == item.key for queued in self._queue):
            fresh = [child for child in children if child.key != item.key]
            at = next(index for index, queued in enumerate(self._queue) if queued.key == item.key)
            self._queue[at : at + 1] = fresh
        self._tree.expand(item, children)
        self._changed()

    def lists(self) -> dict[str, tuple[Item, ...]]:
        """The known children by the key of their list."""
        return dict(self._tree.lists)

    def peek(self) -> Item | None:
        """The next item; None where the list is empty or finished."""
        return next(self._ahead(), None)

    def next_available(self, available: Available) -> Item | None:
        """The next item for which `available` is true; None where there is none in a whole round.

        Changes nothing: the others have their turn again in the next round. One call checks each item at most once, so
        call again only after the quarantine's pause.
        """
        return next(filter(available, self._ahead()), None)

    def upcoming(self, count: int | None = None) -> tuple[Item, ...]:
        """The next `count` items or fewer; None: one round, which is the most."""
        return tuple(islice(self._ahead(), count))

    def advance(self, item: Item | None = None) -> Item | None:
        """`item` (None: `peek`) is on air: it is `current`, and the position is behind it."""
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

    def advance_late(self, item: Item) -> None:
        """`item` is on air after its turn: the position in the list stays, and a restart resumes the item."""
        self._queue = [queued for queued in self._queue if queued.key != item.key]
        self._set_aside.pop(item.key, None)
        self._current = item
        self._from_queue = True

    def jump(self, key: str) -> Item:
        """The list's item with `key` comes next, before the queue, and the list continues after it.

        Raises PlaylistError where the list has no such item.
        """
        index = self._tree.run.nearest(key, 0)
        if index is None:
            raise PlaylistError.of("refused.not_listed", key=key)
        self._resuming = None
        self._jump = self._tree.run.items[index]
        self._order.put(index)
        return self._jump

    def switch_to(self, name: str, entries: Sequence[Item], position: Position | None) -> None:
        """Replace the list by another at its own `position`; the item on air and the queue stay."""
        self._from_queue = self._current is not None
        position = replace(position or Position(seed=self._last.seed), list_name=name)
        self._tree = Tree()
        if self._shuffle is not None:
            self._shuffle = Shuffle(loop=self.loops, seed=position.seed)
        self._order = self._shuffle or Sequential(loop=self.loops)
        self._jump = None
        self.restore(replace(position, queue=tuple(self._queue), set_aside=tuple(self._set_aside.items())))
        self.replace(entries)

    def list_position(self) -> Position:
        """The position in the list alone, for `switch_to`: without the item on air and the queue."""
        position = self.position()
        return replace(position, key="", passed=position.passed or self._current is not None, queue=(), set_aside=())

    def queue_first(self, item: Item, *, seconds: float = 0.0) -> None:
        """Play `item` next, from `seconds` on, before items queued by the operator."""
        self._queue = [item, *(queued for queued in self._queue if queued.key != item.key)]
        if seconds > 0:
            self._set_aside[item.key] = seconds

    def queue_add(self, item: Item, *, place: int | None = None) -> None:
        """Queue `item` at `place`, None: last. Raises PlaylistError where it is queued already."""
        if any(queued.key == item.key for queued in self._queue):
            raise PlaylistError.of("refused.queued_already", title=item.title or item.key)
        self._queue.insert(len(self._queue) if place is None else place, item)

    def queue_move(self, key: str, place: int) -> Item:
        """Move a queued item to `place`, 0 for the first. Raises PlaylistError where it is not queued."""
        item = self.queue_remove(key)
        self._queue.insert(max(0, place), item)
        return item

    def queue_remove(self, key: str) -> Item:
        """Remove a queued item. Raises PlaylistError where it is not queued."""
        for index, item in enumerate(self._queue):
            if item.key == key:
                return self._queue.pop(index)
        raise PlaylistError.of("refused.not_queued", key=key)

    def queue_clear(self) -> int:
        """Remove all queued items; how many there were."""
        count = len(self._queue)
        self._queue.clear()
        return count

    def queue_list(self) -> tuple[Item, ...]:
        """The queued items in the order in which they will play."""
        return tuple(self._queue)

    def position(self, seconds: float = 0.0) -> Position:
        """A snapshot, `seconds` into `current`; the restored position until that is resumed."""
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
        """Resume at `position`: its item comes next, before the queue, at `resume_seconds`."""
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
        self._apply_resumed()

    def resume_seconds(self, item: Item) -> float:
        """Where `item` resumes after a cut or a restart; 0 for all others. Call before `advance`."""
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
            first = None  # played in this round already: it has its turn in the next one
        for item in self._order.ahead():
            if first is not None and item.key == first.key:
                first = None
                continue
            yield item

    def _take(self, item: Item, resumed: Item | None) -> None:
        # A resumed shuffled item counts as played in this round: taking it again would start the next round.
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
            self._apply_resumed()

    def _resume_item(self) -> Item | None:
        """The item to be resumed, or the list that it will come from."""
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

    def _apply_resumed(self) -> None:
        """Move to the restored position, as far as the lists are known by now."""
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
