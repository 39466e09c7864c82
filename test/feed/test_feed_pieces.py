"""A site that slows down a request for much is asked for a little at a time, with whichever ffmpeg can."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from stands.feeding import feed_of, item_of, play
from stands.ffmpegs import each_ffmpeg
from stands.throttling_site import ThrottlingSite
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Media, MediaInput

FRAMES = 250
PIECE_BYTES = 200_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a clip of ten seconds that is larger than a few pieces."""
    folder = tmp_path_factory.mktemp("throttled")
    command = [
        "ffmpeg",
        "-nostdin",
        "-loglevel",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=320x180:r=25,noise=alls=40:allf=t",
    ]
    command += ["-f", "lavfi", "-i", "sine", "-t", "10", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    subprocess.run([*command, "-movflags", "+faststart", str(folder / "clip.mp4")], check=True)
    return folder


@pytest.mark.parametrize("ffmpeg", each_ffmpeg())
async def test_a_throttling_site_is_asked_in_pieces(folder: Path, ffmpeg: Path) -> None:
    """Every picture comes, and no request is for more than the site gives at full speed."""
    assert (folder / "clip.mp4").stat().st_size > 3 * PIECE_BYTES

    with ThrottlingSite(folder) as site:

        async def resolve(_: Item) -> Media:
            one = MediaInput(location=site.url("clip.mp4"), is_file=False, request_bytes=PIECE_BYTES)
            return Media(inputs=(one,))

        played = await play(feed_of(item_of(site.page_url("clip.mp4")), ffmpeg, resolve=resolve))
        assert len(played.pictures) == FRAMES
        asked = [re.fullmatch(r"bytes=(\d+)-(\d+)", one.range) for one in site.media_requests("clip.mp4")]
    assert all(one is not None and int(one[2]) - int(one[1]) < PIECE_BYTES for one in asked)
