"""The position on disk: atomic, complete, and ignored where damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.position import Position, PositionStore

FULL = Position(
    key="k",
    seconds=12.25,
    trail=("list", "k"),
    entry_index=3,
    child_index=7,
    passed=True,
    seed=2**63,
    round_number=5,
    played=frozenset({"a", "b"}),
    queue=(Item(LocatorKind.URL, "https://example.org/v", title="V", start_seconds=1, end_seconds=2, volume=0.5),),
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """Every field of a position is restored, from a folder that is created where missing."""
    folder = tmp_path / "state"
    assert PositionStore(folder).load() is None
    PositionStore(folder).save(FULL)
    assert PositionStore(folder).load() == FULL
    assert sorted(path.name for path in folder.iterdir()) == ["played.json", "position.json", "seconds.json"]


def test_played_items_are_rewritten_only_when_they_change(tmp_path: Path) -> None:
    """Saving seconds every few seconds does not write the long list again."""
    store = PositionStore(tmp_path)
    store.save(FULL)
    before = (tmp_path / "played.json").stat().st_ino
    store.save(FULL)
    assert (tmp_path / "played.json").stat().st_ino == before


def test_what_was_played_counts_for_its_own_round_only(tmp_path: Path) -> None:
    """A crash between the two files repeats at most one item and never skips a round."""
    PositionStore(tmp_path).save(FULL)
    saved = json.loads((tmp_path / "position.json").read_text())
    (tmp_path / "position.json").write_text(json.dumps({**saved, "round": 6}))
    loaded = PositionStore(tmp_path).load()
    assert loaded is not None
    assert loaded.played == frozenset()


def test_an_item_that_continues_is_not_synced_each_time(tmp_path: Path) -> None:
    """Every second is restored, while the synced file is written twice a minute and at each new item."""
    store = PositionStore(tmp_path)
    written = set()
    for second in range(60):
        store.save(replace(FULL, seconds=float(second)))
        written.add((tmp_path / "position.json").stat().st_ino)
        assert PositionStore(tmp_path).load() == replace(FULL, seconds=float(second))
    again = replace(FULL, seconds=0.5)
    store.save(again)
    assert PositionStore(tmp_path).load() == again
    synced = (tmp_path / "position.json").read_bytes()
    store.save(replace(FULL, key="other", seconds=1.0))
    assert (tmp_path / "position.json").read_bytes() != synced
    assert len(written) <= 3


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"seconds": 3}', '{"of": ["other", 3, 7, true, 5], "seconds": 3}', "{}"]
)
def test_seconds_of_something_else_do_not_count(tmp_path: Path, text: str) -> None:
    """A torn file, or one of another item, does not change the synced position."""
    PositionStore(tmp_path).save(FULL)
    (tmp_path / "seconds.json").write_text(text)
    assert PositionStore(tmp_path).load() == FULL


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_damaged_files_start_afresh(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """With any content of the files loading gives None or a position, never an exception."""
    folder = tmp_path_factory.mktemp("state")
    PositionStore(folder).save(FULL)
    text = (folder / "position.json").read_bytes()
    for damaged in (data, text[: len(data)], text.replace(b"12.25", b'"x' + data.hex().encode() + b'"')):
        (folder / "position.json").write_bytes(damaged)
        assert PositionStore(folder).load() is None
    (folder / "position.json").write_bytes(text)
    (folder / "played.json").write_bytes(data)
    PositionStore(folder).load()


def test_a_write_that_fails_leaves_the_old_position(tmp_path: Path) -> None:
    """Where the new file cannot be written, the error is raised, the old file stays, and no temporary file is left."""
    store = PositionStore(tmp_path)
    store.save(FULL)
    (tmp_path / "position.json").unlink()
    (tmp_path / "position.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        store.save(FULL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["played.json", "position.json", "seconds.json"]
