"""Coming items are cached before their turn while there is CPU and space to spare."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stands.feeding import SMALL, feed_of, item_of
from stands.numbered import Plan, make_clip
from stands.program import encode_clip
from tg_video_streamer.automation.preparer import Preparer
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput

FFMPEG = find_ffmpeg()


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> CodecHeaders:
    """The program's codec headers."""
    return encode_clip(tmp_path_factory.mktemp("headers"), SMALL, seconds=1).headers


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    """Two clips of a second, and a file that is none."""
    folder = tmp_path_factory.mktemp("clips")
    clips = [make_clip(folder / f"{number}.mp4", Plan(item_id=number, frames=25)) for number in (1, 2)]
    broken = folder / "broken.mp4"
    broken.write_text("no video")
    return [Item(item_of(one).kind, str(one)) for one in (clips[0], broken, clips[1])]


@pytest.fixture
def library(headers: CodecHeaders, tmp_path: Path) -> Iterator[Library]:
    """An empty one."""
    one = Library(tmp_path, max_bytes=10**9, floor_bytes=0, house=SMALL, headers=headers, clock=SystemClock())
    one.open()
    yield one
    one.close()


async def _resolve(item: Item) -> Media | Expansion:
    return Media(inputs=(MediaInput(location=item.locator, is_file=True),), source_id=item.locator, title=item.locator)


async def _prepare(library: Library, items: list[Item], headers: CodecHeaders, *, calm: bool = True) -> list[str]:
    """Run it until it finds nothing to do; the items whose feeds were made, in order."""
    made: list[str] = []
    idle = asyncio.Event()

    async def make_feed(item: Item) -> Feed:
        made.append(item.key)
        return feed_of(item, FFMPEG, headers=headers, resolve=_resolve, library=library, mode=FeedMode.PREPARING)

    made_before = -1

    def is_calm() -> bool:
        nonlocal made_before
        # Asked twice with nothing made in between: it has found nothing to do.
        if made_before == len(made):
            idle.set()
        made_before = len(made)
        return calm

    preparer = Preparer(
        library,
        upcoming=lambda count: items[:count],
        calm=is_calm,
        make_feed=make_feed,
        clock=SystemClock(),
        check_seconds=0.05,
    )
    async with asyncio.timeout(90), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(preparer.run())
        await idle.wait()
        task.cancel()
    return made


async def test_items_are_cached_in_the_order_of_their_turns(
    library: Library, items: list[Item], headers: CodecHeaders
) -> None:
    """Items are cached one after the other; unplayable ones are left out, cached ones are not made again."""
    assert await _prepare(library, items, headers) == [item.key for item in items]
    assert sorted(copy.item_key for copy in library.encodes()) == sorted([items[0].key, items[2].key])
    assert await _prepare(library, [items[0], items[2]], headers, calm=True) == []
    assert library.misses == 0


async def test_nothing_is_prepared_while_the_program_needs_the_host(
    library: Library, items: list[Item], headers: CodecHeaders
) -> None:
    """On slate or with a low buffer nothing is prepared: the CPU belongs to the item on air."""
    assert await _prepare(library, items, headers, calm=False) == []


async def test_a_library_that_is_nearly_full_is_left_alone(
    library: Library, items: list[Item], headers: CodecHeaders
) -> None:
    """In a full library nothing is prepared: it would only push out other encodes."""
    await _prepare(library, items[:1], headers)
    library.max_bytes = library.bytes
    assert await _prepare(library, items[1:], headers) == []


async def test_what_was_made_on_air_comes_after_what_has_no_encode(
    items: list[Item], headers: CodecHeaders, tmp_path: Path
) -> None:
    """Items without an encode come first; then live encodes are replaced, once, and only while that pushes out no other."""
    better = replace(SMALL, encoder_arguments=("-preset", "superfast", "-x264-params", "cabac=0:8x8dct=0:weightp=0"))
    on: list[HouseFormat] = []
    library = Library(
        tmp_path,
        max_bytes=10**9,
        floor_bytes=0,
        house=SMALL,
        headers=headers,
        clock=SystemClock(),
        prepared=lambda: on[0] if on else None,
    )
    library.open()
    await _prepare(library, items[:1], headers)
    on.append(better)
    (live,) = library.encodes()
    library.max_bytes = round(2.1 * live.bytes)
    assert await _prepare(library, items[:1], headers) == []
    library.max_bytes = 10**9
    assert await _prepare(library, [items[0], items[2]], headers) == [items[2].key, items[0].key]
    assert library.items == 2
    assert live not in library.encodes()
    assert await _prepare(library, [items[0], items[2]], headers) == []
    library.close()
