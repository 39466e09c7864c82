"""Live and prepared encodes of one item: which one is found, and what replaces what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stands.cached import HOUSE, check_whole, encode, item, library, packets, read_all
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.library.library import Grade

BETTER = replace(HOUSE, encoder_arguments=("-preset", "slow"))
ONE = item("one")


class Shelf:
    """A library whose better format can be withdrawn."""

    def __init__(self, folder: Path) -> None:
        self.better: HouseFormat | None = BETTER
        self.library = library(folder, prepared=lambda: self.better)

    def found(self, least: Grade = Grade.LIVE) -> str | None:
        """The key that is found, asked both ways."""
        known = self.library.find(ONE, ONE.locator, least=least)
        remembered = self.library.remembered(ONE, least=least)
        assert (remembered and remembered.encode) == known
        return known.key if known is not None else None

    def is_prepared(self) -> bool:
        """What viewers of the status are shown of what is found."""
        found = self.library.find(ONE, ONE.locator)
        assert found is not None
        return found.prepared


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """An empty one."""
    one = Shelf(tmp_path / "library")
    yield one
    one.library.close()


def test_a_prepared_encode_replaces_the_live_one(shelf: Shelf, tmp_path: Path) -> None:
    """The live encode serves until the prepared one is complete, which then is the only one; who reads the old one reads on."""
    live = encode(shelf.library, ONE)
    assert (shelf.found(), shelf.found(Grade.PREPARED)) == (live.key, None)
    assert not shelf.is_prepared()
    with live.open() as reader:
        prepared = encode(shelf.library, ONE, packets(seed=1), grade=Grade.PREPARED)
        assert shelf.found() == shelf.found(Grade.PREPARED) == prepared.key != live.key
        assert shelf.is_prepared()
        assert reader.read(len(reader.gops) - 1)
    assert shelf.library.encodes() == [prepared]
    assert len(read_all(prepared)) == len(list(packets()))
    shelf.library.close()
    assert check_whole(tmp_path / "library", 1 << 40) == 1


def test_nothing_is_encoded_twice(shelf: Shelf) -> None:
    """On air nothing is cached that is prepared, or just being prepared; nothing is prepared that is just being cached."""
    writer = shelf.library.begin(ONE, ONE.locator, "", grade=Grade.PREPARED)
    assert writer is not None
    assert shelf.library.begin(ONE, ONE.locator, "") is None
    assert shelf.library.is_caching(ONE, ONE.locator)
    writer.abandon()
    on_air = shelf.library.begin(ONE, ONE.locator, "")
    assert on_air is not None
    assert shelf.library.begin(ONE, ONE.locator, "", grade=Grade.PREPARED) is None
    on_air.abandon()
    encode(shelf.library, ONE, grade=Grade.PREPARED)
    assert [shelf.library.begin(ONE, ONE.locator, "", grade=grade) for grade in Grade] == [None, None]


def test_without_a_better_format_there_is_one_grade(shelf: Shelf) -> None:
    """Where the trial found no better format, an encode made on air counts as prepared, stays, and is shown as cached."""
    shelf.better = None
    live = encode(shelf.library, ONE)
    assert shelf.found(Grade.PREPARED) == live.key
    assert not shelf.is_prepared()
    assert shelf.library.begin(ONE, ONE.locator, "", grade=Grade.PREPARED) is None
    two = item("two")
    assert encode(shelf.library, two, grade=Grade.PREPARED) in shelf.library.encodes()
    assert shelf.library.items == 2
