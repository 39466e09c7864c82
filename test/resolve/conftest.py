"""A site on loopback with a short clip, and resolvers that read it through the real yt-dlp."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stands.site import Segments, Site, cut_hls
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.media import Expansion, Media
from tg_video_streamer.resolve.proxies import parse_proxies
from tg_video_streamer.resolve.resolver import Resolver, WebOptions

Resolve = Callable[..., Media | Expansion]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of picture and tone, a keyframe a second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25"]
    command += ["-f", "lavfi", "-i", "sine", "-t", "3", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25"]
    subprocess.run([*command, "-pix_fmt", "yuv420p", "-c:a", "aac", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def segments(clip: Path) -> Segments:
    """The clip cut for HLS."""
    return cut_hls(clip, clip.parent / "hls")


@pytest.fixture
def site(clip: Path) -> Iterator[Site]:
    """A site with the clip at /clip.mp4."""
    with Site() as site:
        site.file("/clip.mp4", clip)
        yield site


@pytest.fixture
def resolve(tmp_path: Path) -> Resolve:
    """Resolve a URL, path or item with a new resolver; keywords go to its WebOptions and the Resolver."""

    def resolve_one(what: str | Path | Item, **how: Any) -> Media | Expansion:
        if isinstance(what, Path):
            what = Item(LocatorKind.FILE, str(what))
        item = Item(LocatorKind.URL, what) if isinstance(what, str) else what
        web = {name: how.pop(name) for name in WebOptions.__slots__ if name in how}
        if "proxy" in how:
            web["proxies"] = parse_proxies(how.pop("proxy"))
        how.setdefault("web", WebOptions(**web))
        how.setdefault("allowed", lambda: AllowedFolders.of([tmp_path]))
        how.setdefault("scratch_folder", tmp_path / "scratch")

        async def run() -> Media | Expansion:
            return await Resolver(**how).resolve(item)

        return asyncio.run(run())

    return resolve_one
