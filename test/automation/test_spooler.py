"""The spool is asked for the next ten minutes of program, and for no item that plays from the library or from the disk."""

from __future__ import annotations

from collections.abc import Sequence

from tg_video_streamer.automation.spooler import AHEAD_ITEMS, AT_LEAST_ITEMS, needed
from tg_video_streamer.playlist.item import Item, LocatorKind


def _web(*names: str) -> list[Item]:
    return [Item(LocatorKind.URL, f"https://example.org/{name}") for name in names]


def _names(items: Sequence[Item]) -> list[str]:
    return [item.locator.rsplit("/", 1)[-1] for item in items]


def test_ten_minutes_are_asked_for() -> None:
    """Items are asked for until they fill ten minutes, what is left of the item on air included."""
    coming = _web(*"abcdefgh")
    assert _names(needed(coming, left_seconds=0, lengths=lambda _: 180.0, cached={})) == ["a", "b", "c", "d"]
    assert _names(needed(coming, left_seconds=300, lengths=lambda _: 180.0, cached={})) == ["a", "b"]


def test_long_items_are_asked_for_ahead_all_the_same() -> None:
    """Behind an item of hours the next ones are asked for, so that they can be encoded meanwhile."""
    coming = _web(*"abcd")
    assert len(needed(coming, left_seconds=7200, lengths=lambda _: 5400.0, cached={})) == AT_LEAST_ITEMS


def test_an_unknown_length_counts_as_none() -> None:
    """While no length is known, everything that is considered is asked for, soonest first."""
    coming = _web(*map(str, range(AHEAD_ITEMS)))
    assert needed(coming, left_seconds=0, lengths=lambda _: None, cached={}) == coming


def test_a_loop_that_is_cached_asks_for_nothing() -> None:
    """Cached encodes and local files fill the program, and cost no download."""
    coming = _web(*"abc")
    cached = {item.key: 60.0 for item in coming}
    local = Item(LocatorKind.FILE, "/films/d.mp4")
    assert needed([*coming, local], left_seconds=0, lengths=lambda _: None, cached=cached) == []
    cached.pop(coming[1].key)
    assert _names(needed(coming, left_seconds=0, lengths=lambda _: 60.0, cached=cached)) == ["b"]
