"""Recorded HLS plays from its first frame and resumes at any frame, though its demuxer seeks to the next keyframe."""

from __future__ import annotations

from pathlib import Path

import pytest

from stands.feeding import feed_of, item_of, play
from stands.ffmpegs import each_ffmpeg
from stands.numbered import Plan, make_clip
from stands.recording import skews
from stands.site import Segments, Site, cut_hls
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.files import resolve_file
from tg_video_streamer.resolve.media import Expansion, Media

_FRAMES = 375


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> Segments:
    """Fifteen numbered seconds in segments of one second, with a sound that begins a little before the picture."""
    folder = tmp_path_factory.mktemp("recorded")
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")
    plan = Plan(item_id=9, frames=_FRAMES, flashes=tuple(range(12, _FRAMES, 25)), encoder=encoder)
    return cut_hls(make_clip(folder / "recorded.mp4", plan), folder / "segments")


@pytest.mark.parametrize("start_seconds", [0.0, 0.4, 13.2])
async def test_recorded_hls_begins_at_the_frame(
    segments: Segments, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path, start_seconds: float
) -> None:
    """No frame is missing before or after the requested one, and lip sync holds."""
    with Site() as site:
        site.hls("/vod/index.m3u8", segments)
        item = item_of(site.url("/vod/index.m3u8"))
        feed = feed_of(item, each_ffmpeg, headers=headers, start_seconds=start_seconds)
        played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    recording = played.decoded(tmp_path, headers)
    assert recording.numbers(9) == list(range(round(start_seconds * 25), _FRAMES))
    found = skews(recording)
    assert found
    assert [round(skew, 3) for skew in found if abs(skew) > 0.011 + 0.04] == []


@pytest.mark.parametrize("program", each_ffmpeg())
async def test_a_recorded_manifest_on_disk_plays(program: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """A recorded HLS manifest in an allowed folder is one item, played from its segments."""
    clip = make_clip(tmp_path / "clip.mp4", Plan(item_id=7, frames=100, flashes=(25, 75)))
    segments = cut_hls(clip, tmp_path / "vod")
    manifest = segments.folder / "index.m3u8"

    async def resolve(item: Item) -> Media | Expansion:
        return resolve_file(item, AllowedFolders.of((str(tmp_path),)))

    feed = feed_of(item_of(manifest), program, headers=headers, resolve=resolve)
    played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    numbers = [look.number for look in played.decoded(tmp_path, headers).looks]
    assert numbers == list(range(100))
