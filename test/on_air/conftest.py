"""What the tests of the running service share: clips, an RTMP server that records, and settings for a service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stands.clips import TWO_MINUTES
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import Plan, make_clip


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four numbered clips of four seconds, `one.mp4` to `four.mp4`, items 1 to 4, and `long.mp4`, item 5."""
    folder = tmp_path_factory.mktemp("media")
    for number, name in enumerate(("one", "two", "three", "four"), start=1):
        make_clip(folder / f"{name}.mp4", Plan(item_id=number, frames=100, flashes=(25, 75)))
    make_clip(folder / "long.mp4", TWO_MINUTES)
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NginxRtmp]:
    """A recording RTMP server."""
    with NginxRtmp(tmp_path / "nginx") as running:
        yield running


@pytest.fixture
def settings(server: NginxRtmp, media: Path, tmp_path: Path) -> dict[str, str]:
    """Settings of a channel at 320x180 whose playlist, not written yet, lies in `tmp_path`."""
    return {
        "PLAYLIST": str(tmp_path / "playlist.txt"),
        "MEDIA_DIRS": str(media),
        "VIDEO_SIZE": "320x180",
        "FRAME_RATE": "25",
        "FFMPEG_ARGS": "-preset ultrafast",
        "OUTPUTS": server.url("secret-stream-key"),
    }
