"""A live source plays behind its edge, is joined again after a break, and ends at its end."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from stands.feeding import feed_of, item_of, play, resolve_simply
from stands.house import FRAME_TICKS
from stands.numbered import Plan, make_clip
from stands.site import LiveStream, Segments, Site, cut_hls
from tg_video_streamer.events import Event, SourceFailed
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> Segments:
    """Sixteen numbered seconds in segments of two: the three that a client begins with outlast the loudness filter's 3 s."""
    folder = tmp_path_factory.mktemp("live")
    plan = Plan(
        item_id=9, frames=400, encoder=("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")
    )
    return cut_hls(make_clip(folder / "live.mp4", plan), folder / "segments", segment_seconds=2.0)


async def resolve_live(item: Item) -> Media | Expansion:
    """A live source at the item's own address."""
    media = await resolve_simply(item)
    assert isinstance(media, Media)
    return replace(media, is_live=True)


async def test_live_source_is_joined_again(
    segments: Segments, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A broadcast that stalls and restarts continues in the same buffer, and its end ends the item."""
    events: list[Event] = []
    steps: list[str] = []
    with Site() as site:
        live = site.live("/live/index.m3u8", segments)
        feed = feed_of(
            item_of(site.url("/live/index.m3u8")),
            ffmpeg,
            headers=headers,
            resolve=resolve_live,
            events=events,
            buffer_seconds=2,
            stall_seconds=3.0,
        )

        def direct(frames: int) -> None:
            _direct(live, frames, steps, events)

        played = await play(feed, events, after=direct)
    assert feed.state is FeedState.ENDED, feed.last_error
    assert steps == ["stalled", "ended"]
    assert any(isinstance(event, SourceFailed) for event in events)
    assert [packet.ticks for packet in played.pictures] == [n * FRAME_TICKS for n in range(len(played.pictures))]
    assert all(after.ticks > before.ticks for before, after in pairwise(played.sound))
    numbers = played.decoded(tmp_path, headers).numbers(9)
    assert len(numbers) > 100


def _direct(live: LiveStream, frames: int, steps: list[str], events: list[Event]) -> None:
    if frames == 160:
        live.stall()
        steps.append("stalled")
    if frames > 180 and steps == ["stalled"] and any(isinstance(event, SourceFailed) for event in events):
        live.end()
        steps.append("ended")
