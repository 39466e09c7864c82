"""On a full, filling, read-only or missing disk the library caches nothing, and warns once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stands import cached, library_on_small_disk
from stands.small_disk import on_small_disk


@pytest.mark.parametrize(
    ("what", "size"),
    [
        (library_on_small_disk.full_while_caching, "8m"),
        (library_on_small_disk.full_at_the_commit, "8m"),
        (library_on_small_disk.full_by_others, "8m"),
        (library_on_small_disk.full_at_the_start, "8m"),
        (library_on_small_disk.read_only, "8m"),
        (library_on_small_disk.read_only_after_a_crash, "8m"),
        (library_on_small_disk.floor_while_caching, "100m"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_disk_without_space_stops_the_caching_and_nothing_else(tmp_path: Path, what: object, size: str) -> None:
    """On a small disk, each function of the stand meets its docstring."""
    on_small_disk(tmp_path, size, what.__module__, getattr(what, "__name__", ""))


def test_a_folder_that_is_removed_meanwhile_stops_nothing(tmp_path: Path) -> None:
    """When the whole folder is removed, the writer gives up, every call returns, and no encode is found."""
    folder = tmp_path / "library"
    library = cached.library(folder)
    encode = cached.encode(library, cached.item("one"))
    writer = library.begin(cached.item("two"), "two", "two")
    assert writer is not None
    with encode.open() as reader:
        shutil.rmtree(folder)
        assert reader.read(0), "it is on air"
        for packet in cached.packets():
            writer.add(packet)
        assert writer.commit() is None
        assert library.encodes() == []
        assert library.find(cached.item("one"), "one") is None
        assert library.begin(cached.item("three"), "three", "three") is None
        assert library.problem
        library.played(encode)
        library.drop(encode, "it is gone")
        library.prune()
        assert library.verify().whole == 0
    folder.mkdir()
    library.prune()
    cached.encode(library, cached.item("four"))
    assert library.problem is None
