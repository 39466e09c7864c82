"""Logo, clock and title lie in their corners, in frames of every shape."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stands.house import house_of
from tg_video_streamer.feed.overlay.draw import Frame, draw_caption, draw_logo
from tg_video_streamer.ffmpeg.binary import find_ffmpeg, roboto
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.overlay import OverlayInput, overlay_chains


@pytest.mark.parametrize("size", ["640x360", "360x640", "480x480"])
def test_the_overlay_lies_in_its_corners_in_every_shape(size: str, tmp_path: Path) -> None:
    """Logo, clock and a long title keep their margin from all sides, do not overlap, and are as large as in a wide frame."""
    house = house_of(size)
    frame, margin = Frame(width=house.width, height=house.height), 18 if house.height != house.width else 24
    logo = BytesIO()
    Image.new("RGBA", (600, 200), (255, 255, 255, 255)).save(logo, "PNG")
    parts = {
        "logo": draw_logo(logo.getvalue(), frame),
        "caption": draw_caption("A title " * 30, frame),
        "clock": b"12:34",
    }
    boxes = {name: _box(overlaid(name, data, house, tmp_path)) for name, data in parts.items()}
    for left, top, right, bottom in boxes.values():
        assert left >= margin - 1
        assert top >= margin - 1
        assert right <= house.width - margin + 1
        assert bottom <= house.height - margin + 1
    assert boxes["clock"][2] < boxes["logo"][0]
    assert boxes["caption"][1] > max(boxes["logo"][3], boxes["clock"][3])
    assert boxes["logo"][2] - boxes["logo"][0] == pytest.approx(4 / 15 * min(house.width, house.height), abs=2)


def overlaid(name: str, data: bytes, house: HouseFormat, folder: Path) -> NDArray[np.uint8]:
    """The brightness of a black frame with one part of the overlay on it, at full strength."""
    file = folder / name
    file.write_bytes(data)
    with file.open("rb") as opened:
        number = opened.fileno()
        overlay = OverlayInput(
            logo=number if name == "logo" else None,
            caption=number if name == "caption" else None,
            caption_age_seconds=4.0,
            clock=number if name == "clock" else None,
            font=roboto("Medium"),
        )
        picture = f"color=black:size={house.width}x{house.height}:rate=25:duration=0.04"
        graph = ";".join(overlay_chains(overlay, house, below="[0:v]", above="[v]"))
        command = [
            str(find_ffmpeg()),
            "-nostdin",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            picture,
            "-filter_complex",
            graph,
        ]
        command += ["-map", "[v]", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
        done = subprocess.run(command, capture_output=True, check=True, pass_fds=[number])
    return np.frombuffer(done.stdout, np.uint8).reshape(house.height, house.width)


def _box(luma: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is not black."""
    rows, columns = (np.nonzero((luma > luma.min() + 3).any(axis=axis))[0] for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
