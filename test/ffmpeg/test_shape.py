"""A picture of any shape fits the program's frame: a circle stays a circle, and each fit does with the walls what it says."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from stands.ffmpegs import each_ffmpeg
from stands.house import house_of
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.house import VideoSize, usual_kilobits
from tg_video_streamer.ffmpeg.shape import chosen_fit, fitted, shape
from tg_video_streamer.ffmpeg.source import Picture
from tg_video_streamer.media import Fit, FrameRate

SHAPES = {
    "upright": (360, 640, "1:1"),
    "4:3": (640, 480, "1:1"),
    "16:9 stored as 5:4": (720, 576, "64:45"),
    "wide": (800, 340, "1:1"),
}
GREEN, WHITE = 0.55, 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """One decoded picture as gray planes from 0 to 1: its brightness, and where the source's circle is."""

    luma: NDArray[np.float64]

    @property
    def circle(self) -> tuple[int, int]:
        """Width and height of what is white around the middle."""
        down, across = (side // 2 for side in self.luma.shape)
        return _run(self.luma[down] > WHITE, across), _run(self.luma[:, across] > WHITE, down)

    @property
    def edge(self) -> NDArray[np.float64]:
        """The outermost points of all four sides."""
        return np.concatenate([self.luma[0], self.luma[-1], self.luma[:, 0], self.luma[:, -1]])


def _run(white: NDArray[np.bool_], middle: int) -> int:
    """How many points around `middle` are white in a row."""
    dark = np.nonzero(~white)[0]
    return int(dark[dark > middle].min(initial=len(white)) - dark[dark < middle].max(initial=-1)) - 1


def picture_of(name: str) -> Picture:
    """The facts of a source."""
    width, height, sample = SHAPES[name]
    return Picture(input_index=0, stream_index=0, codec="h264", width=width, height=height, sample_aspect=sample)


def show(name: str, size: str, fit: Fit, ffmpeg: object = None) -> Shown:
    """A gray source with a white circle of half its height (as seen), in the program's frame."""
    picture = picture_of(name)
    house = house_of(size, fit=fit)
    across, down = (float(part) for part in picture.sample_aspect.split(":"))
    radius = 0.25 * min(picture.height, picture.width * across / down)
    circle = f"lte(hypot((X-W/2)*{across / down}\\,Y-H/2)\\,{radius})"
    source = f"color=s={picture.width}x{picture.height}:d=0.04,format=yuv420p,geq=lum='if({circle}\\,235\\,140)':cb=128:cr=128"
    graph = f"{source},setsar={picture.sample_aspect.replace(':', '/')},{shape(picture, house)},format=gray"
    command = [str(ffmpeg or find_ffmpeg()), "-nostdin", "-v", "error", "-f", "lavfi", "-i", graph]
    done = subprocess.run([*command, "-frames:v", "1", "-f", "rawvideo", "-"], capture_output=True, check=True)
    luma = np.frombuffer(done.stdout, np.uint8).reshape(house.height, house.width)
    return Shown(luma=luma / 255)


@pytest.mark.parametrize("size", ["640x360", "360x640", "480x480"])
@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("name", SHAPES)
def test_a_circle_stays_a_circle_and_only_pad_has_black_walls(name: str, fit: Fit, size: str) -> None:
    """In every frame nothing is stretched; `blur` never shows a black wall, `crop` none where it cuts."""
    shown = show(name, size, fit)
    width, height = shown.circle
    assert abs(width - height) <= 3
    wanted = VideoSize.parse(size)
    house = house_of(size, fit=fit)
    inner = fitted(picture_of(name), house)
    chosen = chosen_fit(picture_of(name), house)
    walls = chosen is Fit.PAD and inner != (wanted.width, wanted.height)
    assert (shown.edge.min() < 0.1) == walls
    if chosen is Fit.BLUR:
        assert shown.edge.std() < 0.1


def test_crop_stops_where_it_would_cost_a_quarter() -> None:
    """4:3 in 16:9 loses its edges exactly at the limit; an upright video would lose two thirds and is shown whole."""
    wide = house_of("640x360", fit=Fit.CROP)
    assert chosen_fit(picture_of("4:3"), wide) is Fit.CROP
    assert chosen_fit(picture_of("upright"), wide) is Fit.PAD
    assert chosen_fit(picture_of("16:9 stored as 5:4"), wide) is Fit.PAD
    assert fitted(picture_of("4:3"), wide) == (640, 360)


@pytest.mark.parametrize("ffmpeg", each_ffmpeg())
def test_a_picture_whose_shape_changes_stays_inside(ffmpeg: object) -> None:
    """A broadcast that changes from 4:3 to 16:9 without changing its size is neither cut nor stretched by `blur`."""
    house = house_of("640x360", fit=Fit.BLUR)
    picture = Picture(input_index=0, stream_index=0, codec="h264", width=640, height=480)
    source = "testsrc2=s=640x480:d=1:r=10,setsar='1':max=100"
    graph = f"{source},{shape(picture, house)}"
    command = [
        str(ffmpeg),
        "-nostdin",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        graph,
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-",
    ]
    done = subprocess.run(command, capture_output=True, check=True)
    assert len(done.stdout) == 10 * 640 * 360


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("720p", (1280, 720)),
        ("1440P", (2560, 1440)),
        ("720x1280", (720, 1280)),
        ("1080x1080", (1080, 1080)),
        ("320x180", (320, 180)),
    ],
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    """A preset or any even size is a size."""
    found = VideoSize.parse(text)
    assert (found.width, found.height) == size
    assert VideoSize.parse(str(found)) == found


@pytest.mark.parametrize(
    "text", ["", "721x480", "8k", "2562x1440", "100x100", "1440x2562", "2560x2560", "-2x2", "640*360"]
)
def test_bad_sizes_are_refused(text: str) -> None:
    """What is odd, too small, too large or no size is told with what is allowed."""
    with pytest.raises(ValueError, match="1440p or WIDTHxHEIGHT"):
        VideoSize.parse(text)


def test_more_pixels_and_more_frames_get_more_bits() -> None:
    """The usual rate grows with the size and with the frame rate, and is the published one where there is one."""
    sizes = [VideoSize.parse(text) for text in ("320x180", "640x360", "480p", "960x540", "720p", "1080p", "1440p")]
    for rate in FrameRate:
        rates = [usual_kilobits(size, rate) for size in sizes]
        assert rates == sorted(set(rates))
        assert rates[4:] == ([5500, 9000, 13500] if rate >= FrameRate.FPS50 else [3300, 6000, 10000])
    assert usual_kilobits(VideoSize.parse("480p"), FrameRate.FPS30) == 1550
    assert usual_kilobits(VideoSize.parse("768x432"), FrameRate.FPS24) == 1100
    assert usual_kilobits(VideoSize.parse("720x1280"), FrameRate.FPS30) == 3300
