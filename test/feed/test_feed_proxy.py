"""Web media behind a proxy: a page's links work only from the proxy's address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stands.feeding import feed_of, item_of, play
from stands.http_proxy import HOST, PASSWORD, http_proxy
from stands.numbered import Plan, make_clip
from stands.site import Site, cut_hls
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.resolve.proxies import parse_proxies
from tg_video_streamer.resolve.resolver import Resolver, WebOptions

FRAMES = 75


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three numbered seconds, as a file and as HLS."""
    folder = tmp_path_factory.mktemp("site")
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")
    clip = make_clip(
        folder / "clip.mp4", Plan(item_id=7, frames=FRAMES, encoder=encoder), extra=("-movflags", "+faststart")
    )
    with Site() as running:
        running.file("/clip.mp4", clip)
        running.hls("/vod/index.m3u8", cut_hls(clip, folder / "vod"))
        yield running


@pytest.mark.parametrize("path", ["/clip.mp4", "/vod/index.m3u8"])
async def test_media_come_through_the_proxy_of_their_page(
    site: Site, path: str, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """The real yt-dlp, the probe and ffmpeg all use the proxy, and no command line shows its password."""
    shown: list[str] = []

    def look(frames: int) -> None:
        if frames == 5:
            shown.extend(" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True))

    with http_proxy(site.port) as proxy:
        resolver = Resolver(
            allowed=lambda: AllowedFolders.of([]),
            scratch_folder=tmp_path / "scratch",
            web=WebOptions(proxies=parse_proxies(proxy.url)),
        )
        feed = feed_of(
            item_of(f"http://{HOST}{path}"), each_ffmpeg, headers=headers, resolve=resolver.resolve, buffer_seconds=1
        )
        played = await play(feed, after=look)
    assert feed.state is FeedState.ENDED, feed.last_error
    assert played.decoded(tmp_path, headers).numbers(7) == list(range(FRAMES))
    assert len([agent for carried, agent in proxy.carried if carried == path]) >= 3
    assert not any(PASSWORD in line for line in shown)
    assert PASSWORD not in repr(feed.media)
