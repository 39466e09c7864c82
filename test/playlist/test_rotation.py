"""What plays next: order, edits, lists, the queue and restarts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.order import OrderKind
from tg_video_streamer.playlist.rotation import Rotation

names = st.lists(st.sampled_from("ABCDEFGHIJ"), min_size=1, max_size=10, unique=True)


def item(name: str) -> Item:
    """An item whose title and file name is one letter."""
    return Item(LocatorKind.FILE, f"/channel/{name}", title=name)


def items(text: Iterable[str]) -> list[Item]:
    """An item a letter."""
    return [item(name) for name in text]


def rotation(text: str = "", *, order: OrderKind = OrderKind.SEQUENTIAL, loop: bool = True, seed: int = 1) -> Rotation:
    """A rotation of an item a letter."""
    made = Rotation(order=order, loop=loop, seed=seed)
    made.replace(items(text))
    return made


def play(what: Rotation, count: int) -> str:
    """The letters of what goes on air next."""
    played = ""
    for _ in range(count):
        now = what.advance()
        assert now is not None
        played += now.title
    return played


def restarted(what: Rotation, text: str, *, seconds: float = 0.0, order: OrderKind = OrderKind.SEQUENTIAL) -> Rotation:
    """Another rotation that continues at the position of `what`."""
    again = Rotation(order=order, seed=99)
    again.restore(what.position(seconds))
    again.replace(items(text))
    return again


def test_loops_or_ends() -> None:
    """LOOP=1 starts again; LOOP=0 ends after the last item and continues when more is added."""
    assert play(rotation("ABC"), 7) == "ABCABCA"
    once = rotation("AB", loop=False)
    assert play(once, 2) == "AB"
    assert once.finished
    assert once.advance() is None
    once.replace(items("ABC"))
    assert play(once, 1) == "C"


def test_upcoming_is_what_then_plays() -> None:
    """The announced items play, also in shuffled order and across the end of a round."""
    for order in OrderKind:
        what = rotation("ABCDE", order=order)
        play(what, 3)
        announced = "".join(entry.title for entry in what.upcoming(5))
        assert play(what, 5) == announced


@given(names, st.integers(0, 1000))
@settings(deadline=None)
def test_shuffle_plays_everything_before_it_repeats(text: list[str], seed: int) -> None:
    """Each round of a shuffled list has every item once, and no item comes twice running (of two or more)."""
    what = rotation("".join(text), order=OrderKind.SHUFFLE, seed=seed)
    played = play(what, len(text) * 4)
    for start in range(0, len(played), len(text)):
        assert sorted(played[start : start + len(text)]) == sorted(text)
    assert len(text) == 1 or all(one != two for one, two in pairwise(played))
    assert play(rotation("".join(text), order=OrderKind.SHUFFLE, seed=seed), len(played)) == played


@given(names, names, st.integers(0, 12))
@settings(deadline=None)
def test_edits_do_not_move_the_position(before: list[str], after: list[str], steps: int) -> None:
    """After an edit the item after the last played one comes next, or after its nearest remaining predecessor."""
    what = rotation("".join(before))
    current = play(what, steps)[-1] if steps else None
    what.replace(items(after))
    assert what.current == (item(current) if current else None)
    played = before[: before.index(current) + 1] if current else []
    left = [name for name in played if name in after]
    expected = after[(after.index(left[-1]) + 1) % len(after)] if left else after[0]
    upcoming = what.peek()
    assert upcoming is not None
    assert upcoming.title == expected


@given(names, names, st.integers(0, 9), st.integers(0, 99))
@settings(deadline=None)
def test_edits_do_not_repeat_in_shuffle(before: list[str], after: list[str], steps: int, seed: int) -> None:
    """After an edit in a shuffled round played items are not repeated before the new ones have played."""
    steps = min(steps, len(before))
    what = rotation("".join(before), order=OrderKind.SHUFFLE, seed=seed)
    played = set(play(what, steps))
    what.replace(items(after))
    left = set(after) - played
    assert set(play(what, len(left))) == left


@given(names, st.sets(st.sampled_from("ABCDEFGHIJ")), st.sampled_from(OrderKind), st.integers(0, 5))
@settings(deadline=None)
def test_passing_over_what_rests(text: list[str], resting: set[str], order: OrderKind, steps: int) -> None:
    """The next available item is the first outside quarantine; with none the answer is None after one check each."""
    what = rotation("".join(text), order=order)
    play(what, steps)
    asked: Counter[str] = Counter()

    def available(entry: Item) -> bool:
        asked[entry.title] += 1
        return entry.title not in resting

    found = what.next_available(available)
    assert (found is None) == (set(text) <= resting)
    assert max(asked.values()) <= 2
    if found is not None:
        what.advance(found)
        assert what.current == found


def test_items_listed_twice_are_distinguished() -> None:
    """Of several places of the same item the nearest one counts."""
    what = rotation("AXBXC")
    assert play(what, 4) == "AXBX"
    what.replace(items("0AXBXC"))
    assert play(what, 1) == "C"


@pytest.mark.parametrize("order", list(OrderKind))
def test_lists_expand_where_they_stand(order: OrderKind) -> None:
    """A list's children replace it; a list that contains itself does not recurse; each item plays once a round."""
    what = rotation("ALB", order=order)
    played = ""
    while len(played) < 10:
        now = what.peek()
        assert now is not None
        if now.title == "L":
            what.expand(now, items("xyzL"))
        else:
            what.advance(now)
            played += now.title
    if order is OrderKind.SEQUENTIAL:
        assert played == "AxyzBAxyzB"
    assert sorted(played[:5]) == sorted("AxyzB")
    what.expand(item("L"), items("xywz"))
    assert set("xywzAB") <= set(play(what, 11))


def test_refreshing_a_list_does_not_move_the_position() -> None:
    """A list that is read again while one of its items plays continues after that item."""
    what = rotation("AL")
    play(what, 1)
    what.expand(item("L"), items("xyz"))
    assert play(what, 2) == "xy"
    what.expand(item("L"), items("wxyuz"))
    assert play(what, 3) == "uzA"


def test_lists_nested_too_deep_are_refused() -> None:
    """Too deeply nested lists are an error, not a hang."""
    what = rotation("0")
    for depth in range(4):
        what.expand(item(str(depth)), items([str(depth + 1)]))
    with pytest.raises(PlaylistError):
        what.expand(item("4"), items(["5"]))


def test_empty_lists_leave_nothing_to_play() -> None:
    """An empty list is left out; alone it gives no next item, and it can be refreshed."""
    what = rotation("L")
    what.expand(item("L"), [])
    assert what.peek() is None
    what.expand(item("L"), items("x"))
    assert play(what, 2) == "xx"


def test_queue_plays_first_and_once() -> None:
    """Queued items play next, in order, once, and the list continues where it was."""
    what = rotation("ABC")
    play(what, 1)
    for entry in items("QR"):
        what.queue_add(entry)
    with pytest.raises(PlaylistError):
        what.queue_add(item("Q"))
    with pytest.raises(PlaylistError):
        what.queue_remove("unknown")
    assert [entry.title for entry in what.upcoming(4)] == list("QRBC")
    assert play(what, 5) == "QRBCA"
    what.queue_add(item("S"))
    assert what.queue_remove(item("S").key) == item("S")
    what.queue_add(item("T"))
    assert what.queue_clear() == 1
    assert what.queue_list() == ()


def test_a_jump_comes_before_the_queue_and_the_list_continues_after_it() -> None:
    """The target of a jump plays next, then the queue, then the items after the target."""
    what = rotation("ABCDE")
    play(what, 1)
    what.queue_add(item("Q"))
    assert what.jump(item("D").key) == item("D")
    assert [entry.title for entry in what.upcoming(4)] == list("DQEA")
    assert play(what, 4) == "DQEA"
    with pytest.raises(PlaylistError, match="not in the playlist"):
        what.jump(item("Q").key)


@given(names, st.data(), st.sampled_from(OrderKind))
@settings(max_examples=60, deadline=None)
def test_a_jump_in_any_order(text: list[str], data: st.DataObject, order: OrderKind) -> None:
    """The target of a jump plays next, and the rest of the round as announced."""
    what = rotation("".join(text), order=order)
    played = play(what, data.draw(st.integers(0, len(text) - 1)))
    wanted = data.draw(st.sampled_from(text))
    what.jump(item(wanted).key)
    left = len({*text} - {*played, wanted}) + 1
    told = "".join(entry.title for entry in what.upcoming(left))
    assert told.startswith(wanted)
    assert play(what, len(told)) == told


def test_a_jump_that_fails_is_forgotten() -> None:
    """Where another item plays instead of the target of a jump, the list continues from there."""
    what = rotation("ABCD")
    play(what, 1)
    what.jump(item("C").key)
    what.advance(item("D"))
    assert play(what, 2) == "AB"
    what.jump(item("C").key)
    what.replace(items("AB"))
    assert play(what, 1) == "A"


def test_queued_items_are_moved() -> None:
    """A queued item can be put before the others, between them, and at the end."""
    what = rotation("A")
    for entry in items("QR"):
        what.queue_add(entry)
    what.queue_add(item("S"), place=0)
    assert [entry.title for entry in what.queue_list()] == list("SQR")
    what.queue_move(item("S").key, 1)
    assert [entry.title for entry in what.queue_list()] == list("QSR")
    what.queue_move(item("Q").key, 99)
    assert play(what, 3) == "SRQ"
    with pytest.raises(PlaylistError):
        what.queue_move("unknown", 0)


def test_queued_lists_expand_in_the_queue() -> None:
    """A queued list is replaced by its children."""
    what = rotation("AB")
    what.queue_add(item("L"))
    what.expand(item("L"), items("xy"))
    assert play(what, 4) == "xyAB"


@given(names, st.integers(1, 15), st.sampled_from(OrderKind), st.sampled_from(["", "QR"]))
@settings(max_examples=60, deadline=None)
def test_restart_resumes_the_same_item(text: list[str], steps: int, order: OrderKind, queue: str) -> None:
    """After a restart the same item resumes at the same second, then the queue, then the same next items."""
    what = rotation("".join(text), order=order)
    play(what, steps)
    for entry in items(queue):
        what.queue_add(entry)
    again = restarted(what, "".join(text), seconds=12.5, order=order)
    twice = restarted(again, "".join(text), seconds=99.0, order=order)
    for resumed in (again, twice):
        first = resumed.peek()
        assert first == what.current
        assert first is not None
        assert resumed.resume_seconds(first) == 12.5
        resumed.advance(first)
        assert resumed.resume_seconds(first) == 0.0
    assert play(again, len(text) * 2) == play(what, len(text) * 2)


def test_restart_while_a_queued_item_plays() -> None:
    """A queued item that was on air is resumed, and the list continues after its own last item."""
    what = rotation("ABC")
    play(what, 2)
    what.queue_add(item("Q"))
    play(what, 1)
    again = restarted(what, "ABC", seconds=3.0)
    assert again.resume_seconds(item("Q")) == 3.0
    assert play(again, 3) == "QCA"


def test_restart_while_a_late_item_plays() -> None:
    """An item that plays after its turn is resumed, and the list continues where it was."""
    what = rotation("ABCD")
    assert play(what, 2) == "AB"
    what.advance_late(item("A"))
    assert what.upcoming(2)[0].title == "C"
    again = restarted(what, "ABCD", seconds=5.0)
    assert again.resume_seconds(item("A")) == 5.0
    assert play(again, 3) == "ACD"


def test_restart_within_a_list_asks_for_the_list_first() -> None:
    """An item of a list is resumed once the list is expanded again, or its neighbor where it is gone."""
    what = rotation("ALB")
    play(what, 1)
    what.expand(item("L"), items("xyz"))
    assert play(what, 2) == "xy"
    again = restarted(what, "ALB", seconds=7.0)
    assert again.peek() == item("L")
    again.expand(item("L"), items("wxyz"))
    assert again.resume_seconds(item("y")) == 7.0
    assert play(again, 4) == "yzBA"
    other = restarted(what, "ALB", seconds=7.0)
    other.expand(item("L"), items("xz"))
    assert play(other, 2) == "zB"


def test_restart_before_the_playlist_is_there() -> None:
    """A missing playlist at the start loses nothing: the position is restored when the list is back."""
    what = rotation("ABC")
    play(what, 2)
    again = restarted(what, "", seconds=5.0)
    assert again.peek() is None
    assert again.position().seconds == 5.0
    again.replace(items("ABC"))
    assert again.resume_seconds(item("B")) == 5.0
    assert play(again, 2) == "BC"


def test_restart_after_the_item_was_removed() -> None:
    """Where the item is gone meanwhile, the item in its place comes next."""
    what = rotation("ABCD")
    play(what, 2)
    assert play(restarted(what, "ACD"), 1) == "C"
