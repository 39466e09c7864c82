"""The items of lists survive a restart; a damaged file costs nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.json_file import item_as_json, item_from_json
from tg_video_streamer.playlist.list_memory import ListMemory

CHILDREN = tuple(Item(LocatorKind.URL, f"https://site.example/{number}", title=f"Nr. {number}") for number in range(3))


def saved(memory: ListMemory) -> bool:
    """Save the pending lists; whether there were any."""
    pending = memory.pending()
    if pending is not None:
        memory.save(pending)
    return pending is not None


def test_lists_are_known_after_a_restart(tmp_path: Path) -> None:
    """The last children of each list are restored, and an unchanged list is not written."""
    memory = ListMemory.loaded(tmp_path)
    assert not saved(memory)
    memory.learn("a", CHILDREN[:1])
    memory.learn("a", CHILDREN)
    memory.learn("b", [])
    assert saved(memory)
    memory.learn("a", CHILDREN)
    assert not saved(memory)
    later = ListMemory.loaded(tmp_path)
    assert (later.recall("a"), later.recall("b"), later.recall("c")) == (CHILDREN, (), ())
    assert (tmp_path / "lists.json").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["lists.json"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"version": 9, "lists": []}', b'{"version": 1, "lists": [["a", [{}]]]}']
)
def test_a_damaged_memory_is_forgotten(tmp_path: Path, content: bytes) -> None:
    """With any content of the file the service starts and saves new lists."""
    (tmp_path / "lists.json").write_bytes(content)
    memory = ListMemory.loaded(tmp_path)
    assert memory.recall("a") == ()
    memory.learn("a", CHILDREN)
    assert saved(memory)


def test_the_memory_is_bounded(tmp_path: Path) -> None:
    """Beyond 20,000 items the lists read longest ago are forgotten."""
    memory = ListMemory(tmp_path)
    for number in range(12):
        memory.learn(str(number), CHILDREN[:1] * 2000)
    known = [number for number in range(12) if memory.recall(str(number))]
    assert known == list(range(2, 12))


ITEMS = st.builds(
    Item,
    st.sampled_from(LocatorKind),
    st.text(min_size=1),
    title=st.text(),
    start_seconds=st.floats(0, 1e6),
    end_seconds=st.none() | st.floats(0, 1e6),
    volume=st.floats(0, 4),
)


@given(ITEMS)
def test_an_item_is_itself_after_it_was_saved(item: Item) -> None:
    """Every field of an item is saved."""
    assert item_from_json(item_as_json(item)) == item
