"""Where a rotation stands, as plain data for the position store."""

from __future__ import annotations

from dataclasses import dataclass

from tg_video_streamer.playlist.item import Item


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Everything that a restart needs to go on."""

    key: str = ""
    """What is on air; empty before the first item."""
    seconds: float = 0.0
    """How far into it."""
    trail: tuple[str, ...] = ()
    """Keys of the last item out of the list: the lists it came out of, outermost first, then its own."""
    entry_index: int = 0
    child_index: int = 0
    """Its place among the playlist's entries, and among the items of its entry."""
    passed: bool = False
    """It is over and something from the queue is on air."""
    seed: int = 0
    round_number: int = 0
    played: frozenset[str] = frozenset()
    """Shuffle: what was played in this round."""
    queue: tuple[Item, ...] = ()
    """Queued, by hand or by the schedule; begins with what is on air where that came from the queue."""
    list_name: str = ""
    """Whose place this is: the file of a scheduled list, empty for the playlist itself."""
    set_aside: tuple[tuple[str, float], ...] = ()
    """Items that were cut, by their keys, and how far into them: they go on there when their turn comes."""
