"""What one host has encoded, the others have: through a store that may be away, full or damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from stands.cached import encode, item, library, packets, read_all
from stands.virtual_time import SetClock
from tg_video_streamer.fleet.address import store_address
from tg_video_streamer.fleet.shared_library import LIST_SECONDS, PRUNE_SECONDS, SharedLibrary
from tg_video_streamer.fleet.store import EncodeStore
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.library import Library
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Media

PLENTY = 1 << 40


class Host:
    """One host's library before the store in `folder`."""

    def __init__(self, folder: Path, name: str, *, max_bytes: int = PLENTY) -> None:
        self.clock = SetClock()
        self.library: Library = library(folder / name, clock=self.clock)
        self.store = EncodeStore(store_address((folder / "store").as_uri(), credentials="", endpoint=""))
        self.shared = SharedLibrary(
            self.store,
            self.library,
            resolve=_no_file,
            logo=str,
            max_bytes=max_bytes,
            elected=_yes,
            clock=self.clock,
        )

    async def later(self) -> None:
        """The next round, in which the store is listed again."""
        self.clock.now += max(LIST_SECONDS, PRUNE_SECONDS) + 1
        await self.shared.update()


async def _no_file(_item: Item) -> Media:
    raise AssertionError("only local files are looked at")


async def _yes() -> bool:
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With an empty store."""
    (tmp_path / "store").mkdir()
    return tmp_path


def _objects(folder: Path) -> list[Path]:
    return sorted((folder / "store" / "encodes").glob("*"))


async def test_what_one_host_has_encoded_another_one_plays(folder: Path) -> None:
    """The other host finds the encode without asking its source, packet for packet; nothing is moved a second time."""
    one, two = Host(folder, "one"), Host(folder, "two")
    made = encode(one.library, item("film"))
    await one.shared.update()
    await one.later()
    assert (one.shared.put, len(_objects(folder))) == (1, 1)
    assert await two.shared.fetch(item("film"))
    remembered = two.library.remembered(item("film"))
    assert remembered is not None
    assert read_all(remembered.encode) == read_all(made) == list(packets())
    assert remembered.source.title == "film"
    await two.later()
    assert (two.shared.put, two.shared.fetched) == (0, 1)
    assert not await two.shared.fetch(item("another film"))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def _replace(path: Path) -> None:
    path.write_bytes(b"anything else" * 100)


@pytest.mark.parametrize("damage", [_cut, _flip, _grow, _replace])
async def test_a_damaged_encode_is_never_played(folder: Path, damage: object) -> None:
    """It is not taken, leaves no file, and the host that has it whole puts it there again."""
    assert callable(damage)
    one, two = Host(folder, "one"), Host(folder, "two")
    made = encode(one.library, item("film"))
    await one.shared.update()
    (stored,) = _objects(folder)
    whole = stored.read_bytes()
    damage(stored)
    assert not await two.shared.fetch(item("film"))
    assert two.library.encodes() == []
    assert not list((folder / "two").glob("*.part"))
    stored.unlink(missing_ok=True)
    await one.later()
    assert _objects(folder)[0].read_bytes() == whole
    two.clock.now += LIST_SECONDS + 1
    assert await two.shared.fetch(item("film"))
    assert [found.key for found in two.library.encodes()] == [made.key]


async def test_a_store_that_is_away_is_a_warning_and_no_more(folder: Path) -> None:
    """Nothing is fetched or put, the operator is told, and the next round with a store is as the first one."""
    one = Host(folder, "one")
    encode(one.library, item("film"))
    (folder / "store").rename(folder / "away")
    await one.shared.update()
    assert one.shared.problem is not None
    assert not await one.shared.fetch(item("other"))
    assert not (folder / "store").exists()
    (folder / "away").rename(folder / "store")
    await one.later()
    assert one.shared.problem is None
    assert len(_objects(folder)) == 1


async def test_the_oldest_encodes_leave_a_full_store(folder: Path) -> None:
    """One host prunes to nine tenths of the limit; what left does not come back from a library that still has it."""
    one = Host(folder, "one")
    made: list[CachedEncode] = []
    for number in range(10):
        made.append(encode(one.library, item(str(number)), packets(seed=number)))
        await one.later()
    size = sum(path.stat().st_size for path in _objects(folder))
    full = Host(folder, "full", max_bytes=round(size * 0.75))
    await full.later()
    left = {path.name for path in _objects(folder)}
    assert sum(path.stat().st_size for path in _objects(folder)) <= size * 0.75 * 0.9
    assert made[-1].key in left
    assert made[0].key not in left
    again = Host(folder, "one", max_bytes=round(size * 0.75))
    again.clock.now = one.clock.now + 2 * 86_400
    await again.later()
    assert made[0].key not in {path.name for path in _objects(folder)}


async def test_a_library_without_room_takes_nothing(folder: Path) -> None:
    """A host whose disk or limit is full says so in its log, and encodes nothing else away."""
    one = Host(folder, "one")
    encode(one.library, item("film"))
    await one.shared.update()
    two = Host(folder, "two")
    two.library = library(folder / "small", max_bytes=1000)
    shared = SharedLibrary(
        two.store, two.library, resolve=_no_file, logo=str, max_bytes=PLENTY, elected=_yes, clock=two.clock
    )
    assert not await shared.fetch(item("film"))
    assert two.library.encodes() == []
    assert not list((folder / "small").glob("*.part"))
