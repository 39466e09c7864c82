"""Pauses after failures, in virtual time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from stands.virtual_time import SetClock
from tg_video_streamer.automation.playlist_sync import RefreshSchedule
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation


def test_pauses_grow_and_end() -> None:
    """An item rests 60 s after its first failure, longer after each, at most 30 min, and success ends it."""
    clock = SetClock()
    quarantine = Quarantine(clock)
    pauses = []
    for _ in range(8):
        pauses.append(quarantine.failed("a", "source_gone"))
        assert not quarantine.available("a")
        clock.now += pauses[-1] + 120
        assert quarantine.available("a")
    assert pauses == [60, 120, 240, 480, 960, 1800, 1800, 1800]
    quarantine.succeeded("a")
    assert quarantine.failed("a") == 60
    assert quarantine.failed("b", gone=True) == 1800
    assert [resting.key for resting in quarantine.resting()] == ["a", "b"]


def test_a_dead_playlist_costs_next_to_nothing() -> None:
    """A day with 50 dead items: at most one attempt per item and minute, soon one in two minutes, and each has its turn."""
    clock = SetClock()
    quarantine = Quarantine(clock)
    rotation = Rotation()
    rotation.replace([Item(LocatorKind.FILE, f"/channel/{n}") for n in range(50)])
    attempts: list[tuple[float, str]] = []
    while clock.now < 1000 + 86400:
        item = quarantine.pick(rotation)
        if item is None:
            wait = quarantine.seconds_to_wait()
            assert wait > 0
            clock.now += wait
            continue
        attempts.append((clock.now, item.key))
        quarantine.failed(item.key)
    by_key: dict[str, list[float]] = {}
    for when, key in attempts:
        by_key.setdefault(key, []).append(when)
    assert all(b - a >= 60 for times in by_key.values() for a, b in pairwise(times))
    assert len([when for when, _ in attempts if when > 1000 + 3600]) <= 82800 / 120 + 1
    assert [len(times) for times in by_key.values()] == [pytest.approx(len(attempts) / 50, abs=1)] * 50


def test_the_only_good_item_is_found() -> None:
    """One good item after many dead ones is tried before any of them is tried again."""
    clock = SetClock()
    quarantine = Quarantine(clock)
    rotation = Rotation()
    rotation.replace([Item(LocatorKind.FILE, f"/channel/{n}") for n in range(20)])
    tried: list[str] = []
    while len(tried) < 20:
        item = quarantine.pick(rotation)
        if item is None:
            clock.now += quarantine.seconds_to_wait()
            continue
        tried.append(item.locator)
        quarantine.failed(item.key)
    assert tried == [f"/channel/{n}" for n in range(20)]


def test_a_few_dead_links_cost_no_shared_pause() -> None:
    """After three failures in a row all other items are available; after the fourth every item waits a second."""
    clock = SetClock()
    quarantine = Quarantine(clock)
    for key in "abc":
        quarantine.failed(key)
        assert quarantine.available("z")
    quarantine.failed("d")
    assert not quarantine.available("z")
    clock.now += 1
    assert quarantine.available("z")
    quarantine.succeeded("z")
    assert not quarantine.available("a")


def test_an_edit_gives_another_chance_but_not_at_once() -> None:
    """After an edit an item may be tried again a minute after its last attempt, however often the list is saved."""
    clock = SetClock()
    quarantine = Quarantine(clock)
    quarantine.failed("a", gone=True)
    quarantine.failed("b")
    for _ in range(59):
        quarantine.keep_only(["a"])
        assert not quarantine.available("a")
        clock.now += 1
    clock.now += 1
    assert quarantine.available("a")
    assert quarantine.resting() == ()


def test_lists_are_refreshed_in_turn() -> None:
    """A list is read again after its period; lists that are gone are forgotten."""
    clock = SetClock()
    schedule = RefreshSchedule(clock, every_seconds=100)
    schedule.tried("a")
    clock.now += 50
    schedule.tried("b")
    assert schedule.next_stale(["a", "b"]) is None
    clock.now += 60
    assert schedule.next_stale(["a", "b"]) == "a"
    schedule.tried("a")
    assert schedule.next_stale(["a", "b"]) is None
    assert schedule.next_stale([]) is None
