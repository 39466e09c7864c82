"""Photos stand upright, and transparent parts show the house color."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from stands.feeding import SMALL, feed_of, item_of, play, write_packets
from stands.ffmpegs import each_ffmpeg
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.media import CodecHeaders

BOTH = pytest.mark.parametrize("program", each_ffmpeg())
_ORIENTATION = 0x112


async def shown(photo: Path, program: Path, headers: CodecHeaders, folder: Path) -> np.ndarray:
    """One decoded picture, as RGB."""
    feed = feed_of(item_of(photo, end_seconds=1.0), program, headers=headers)
    played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    path = folder / "photo.mkv"
    write_packets(path, played.packets, headers)
    with av.open(str(path)) as container:
        frame: np.ndarray = next(iter(container.decode(video=0))).to_ndarray(format="rgb24")
    return frame


@BOTH
@pytest.mark.parametrize("kind", ["png", "webp", "jpg"])
@pytest.mark.parametrize(("orientation", "red"), [(6, "bottom"), (8, "top"), (3, "left")])
async def test_a_photo_stands_upright(
    kind: str, orientation: int, red: str, program: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A camera's orientation is obeyed in PNG and WebP as in JPEG. As stored, red is on the right half."""
    photo = Image.new("RGB", (400, 400), (0, 0, 255))
    photo.paste((255, 0, 0), (200, 0, 400, 400))
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    path = tmp_path / f"photo.{kind}"
    photo.save(path, exif=exif)
    frame = await shown(path, program, headers, tmp_path)
    middle = {"top": (45, 160), "bottom": (135, 160), "left": (90, 115)}[red]
    assert frame[middle][0] > 180

    opposite = {"top": (135, 160), "bottom": (45, 160), "left": (90, 205)}[red]
    assert frame[opposite][2] > 180


@BOTH
async def test_an_animated_webp_plays(program: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """It plays once, each frame for its time, also where the host's ffmpeg cannot read it."""
    frames = [Image.new("RGBA", (320, 180), (n * 80, 0, 255 - n * 80, 255)) for n in range(4)]
    path = tmp_path / "moving.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[400, 200, 200, 1200], lossless=True)
    feed = feed_of(item_of(path), program, headers=headers)
    played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    assert feed.duration_seconds == 2.0
    target = tmp_path / "played.mkv"
    write_packets(target, played.packets, headers)
    with av.open(str(target)) as container:
        blue = [
            int(one.to_ndarray(format="rgb24")[SMALL.height // 2, SMALL.width // 2][2])
            for one in container.decode(video=0)
        ]
    assert len(blue) == 50
    steps = [round((255 - value) / 80) for value in blue]
    assert steps == [0] * 10 + [1] * 5 + [2] * 5 + [3] * 30


@BOTH
async def test_transparent_parts_show_the_house_color(program: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """A logo with a transparent ground stands on the house color, not on whatever color its clear pixels have."""
    logo = Image.new("RGBA", (320, 180), (255, 0, 0, 0))
    logo.paste((255, 255, 255, 255), (110, 40, 190, 110))
    path = tmp_path / "logo.png"
    logo.save(path)
    frame = await shown(path, program, headers, tmp_path)
    assert np.abs(frame[20, 20].astype(int) - np.array([0x1D, 0x2B, 0x44])).max() < 12
    assert frame[75, 150].min() > 230
