"""The walk of `library prepare` where two lines of a playlist are the same video."""

from __future__ import annotations

import io
from pathlib import Path

from stands.feeding import SMALL, item_of
from stands.numbered import Plan, any_ffmpeg, make_clip
from stands.program import Clip
from tg_video_streamer.cli.library_downloads import Downloading
from tg_video_streamer.cli.library_progress import Lines
from tg_video_streamer.cli.library_walk import Walk
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.library.library import Library
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput


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

    told = io.StringIO()
    walk = Walk(resolve, feed, library, downloads=Downloading(), terminal=Lines(told), redact=str)
    await walk.through([item_of("http://site.test/one"), item_of("http://short.test/1")], at_once=2)
    assert walk.failures == []
    assert sorted(line.partition(":")[0] for line in told.getvalue().splitlines()) == ["already cached", "prepared"]
    assert library.items == 1
    library.close()
