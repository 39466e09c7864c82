"""The walk of `library prepare` where two lines of a playlist are the same video."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from stands.feeding import SMALL, item_of
from stands.numbered import Plan, any_ffmpeg, make_clip
from stands.program import Clip
from tg_video_streamer.app.downloading import Downloading
from tg_video_streamer.cli.library_progress import Lines
from tg_video_streamer.cli.library_walk import Walk
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.prepare import PreparingFeed
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.library.library import Library
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput, Resolve


async def test_what_was_cached_on_air_is_prepared_last(house_clip: Clip, tmp_path: Path) -> None:
    """A better encode takes the place of a live one, after all that has none; where there is no room for it, the live one stays."""
    clips = [make_clip(tmp_path / f"{n}.mp4", Plan(item_id=n, frames=50, width=426, height=240)) for n in (1, 2)]
    better: list[HouseFormat] = []
    library = Library(
        tmp_path / "library",
        max_bytes=10**9,
        floor_bytes=0,
        house=SMALL,
        headers=house_clip.headers,
        clock=SystemClock(),
        prepared=lambda: better[0] if better else None,
    )
    library.open()

    async def walked(*paths: Path) -> list[str]:
        told = io.StringIO()
        feed = _preparing(library, _resolve, house_clip)
        walk = Walk(_resolve, feed, library, downloads=Downloading(), terminal=Lines(told), redact=str)
        await walk.through([item_of(path) for path in paths], at_once=1)
        assert walk.failures == []
        return [" ".join(line.split()[:3]) for line in told.getvalue().splitlines()]

    assert await walked(clips[0]) == ["prepared: 1 (0:02,"]
    (live,) = library.encodes()
    # The same but for its name, which is what counts here.
    better.append(replace(SMALL, encoder_arguments=("-preset", "superfast")))
    library.max_bytes = live.bytes
    assert await walked(clips[0]) == ["already cached: 1"]
    assert library.encodes() == [live]
    library.max_bytes = 10**9
    assert await walked(*clips) == ["prepared: 2 (0:02,", "prepared: 1 (0:02,"]
    assert library.items == 2
    assert live not in library.encodes()
    assert await walked(*clips) == ["already cached: 1", "already cached: 2"]
    library.close()


async def _resolve(item: Item) -> Media | Expansion:
    path = Path(item.locator)
    return Media(inputs=(MediaInput(location=str(path), is_file=True),), title=path.stem, source_id=path.stem)


def _preparing(library: Library, resolve: Resolve, house_clip: Clip) -> PreparingFeed:
    async def feed(item: Item) -> Feed:
        return Feed(
            item,
            resolve=resolve,
            house=SMALL,
            headers=house_clip.headers,
            ffmpeg=Path(any_ffmpeg()),
            buffer_seconds=4.0,
            clock=SystemClock(),
            publish=lambda _event: None,
            library=library,
            mode=FeedMode.PREPARING,
        )

    return feed


async def test_two_addresses_of_one_video(house_clip: Clip, tmp_path: Path) -> None:
    """Prepared at the same time, they are encoded once, and neither counts as a failure."""
    clip = make_clip(tmp_path / "one.mp4", Plan(item_id=1, frames=50, width=426, height=240))
    library = Library(
        tmp_path / "library",
        max_bytes=10**9,
        floor_bytes=0,
        house=SMALL,
        headers=house_clip.headers,
        clock=SystemClock(),
    )
    library.open()

    async def resolve(_item: Item) -> Media | Expansion:
        return Media(inputs=(MediaInput(location=str(clip), is_file=True),), title="one", source_id="site one")

    feed = _preparing(library, resolve, house_clip)
    told = io.StringIO()
    walk = Walk(resolve, feed, library, downloads=Downloading(), terminal=Lines(told), redact=str)
    await walk.through([item_of("http://site.test/one"), item_of("http://short.test/1")], at_once=2)
    assert walk.failures == []
    assert sorted(line.partition(":")[0] for line in told.getvalue().splitlines()) == ["already cached", "prepared"]
    assert library.items == 1
    library.close()
