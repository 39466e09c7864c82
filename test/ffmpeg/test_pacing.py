"""Pictures follow each other evenly at every rate of source and program."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from stands.ffmpegs import each_ffmpeg
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.pacing import grid_of, pace
from tg_video_streamer.media import FrameRate

NTSC = Fraction(1000, 1001)
HOUR = 3600
SECONDS = 25
"""Long enough for the grids of 29.97 and 30 fps to slide past each other."""


def shown(source: Fraction, house: FrameRate, ffmpeg: Path, *, shift_milliseconds: int) -> list[int]:
    """For each picture of the program the number of the source's picture in it; times are rounded to milliseconds.

    The pictures are of one point, whose blue is the number by 251: a prime, so that losses cannot hide.
    """
    picture = f"color=s=16x16:r={source}:d={SECONDS},format=gray,geq=lum='mod(N\\,251)'"
    times = f"settb=1/1000,setpts='PTS+{shift_milliseconds}'"
    filters = f"{picture},{times},{pace(float(source), house)}fps={house}"
    command = [str(ffmpeg), "-nostdin", "-v", "error", "-f", "lavfi", "-i", filters, "-fps_mode", "passthrough"]
    done = subprocess.run([*command, "-f", "rawvideo", "-"], capture_output=True, check=True)
    return [done.stdout[at] for at in range(0, len(done.stdout), 256)]


def steps(numbers: list[int]) -> list[int]:
    """By how many pictures of the source each picture of the program is later than the one before."""
    return [(after - before) % 251 for before, after in pairwise(numbers)]


@pytest.mark.parametrize("ffmpeg", each_ffmpeg())
@pytest.mark.parametrize(
    ("source", "house"),
    [
        (30 * NTSC, FrameRate.FPS30),
        (24 * NTSC, FrameRate.FPS24),
        (60 * NTSC, FrameRate.FPS60),
        (Fraction(30), FrameRate.FPS30),
    ],
    ids=["29.97", "23.976", "59.94", "30"],
)
@pytest.mark.parametrize("shift_milliseconds", [0, 17])
def test_no_picture_is_lost_where_the_grids_slide_past_each_other(
    source: Fraction, house: FrameRate, ffmpeg: Path, shift_milliseconds: int
) -> None:
    """A source of nearly the house rate loses no picture, and repeats one where the clock says so."""
    found = steps(shown(source, house, ffmpeg, shift_milliseconds=shift_milliseconds))
    assert set(found) <= {0, 1}
    due = SECONDS * (float(house) - float(source))
    assert abs(found.count(0) - due) <= 1


def test_an_hour_of_an_uneven_phone_loses_nothing() -> None:
    """Times that are off by 4 ms here and there lose none of an hour's pictures."""
    filters = f"{pace(29.97, FrameRate.FPS30)}fps=30"
    source = f"color=s=16x16:r=30000/1001:d={HOUR},settb=1/1000,setpts='PTS+round(4*sin(N*7.3))'"
    command = [
        str(find_ffmpeg()),
        "-nostdin",
        "-v",
        "verbose",
        "-f",
        "lavfi",
        "-i",
        source,
        "-filter_complex",
        f"[0:v]{filters}[v]",
    ]
    done = subprocess.run([*command, "-map", "[v]", "-f", "null", "-"], capture_output=True, text=True, check=True)
    counts = re.findall(r"(\d+) frames in, (\d+) frames out; (\d+) frames dropped", done.stderr)
    taken, given, lost = max(tuple(map(int, one)) for one in counts)
    assert (lost, given - taken) in {(0, 107), (0, 108), (0, 109)}


@pytest.mark.parametrize("house", FrameRate)
@pytest.mark.parametrize("source", [Fraction(rate) for rate in (24, 25, 30, 50, 60)], ids=str)
def test_any_rate_becomes_any_other_evenly(source: Fraction, house: FrameRate) -> None:
    """The steps from picture to picture differ by one at most, and none is lost unless the source has more of them."""
    found = steps(shown(source, house, find_ffmpeg(), shift_milliseconds=5))
    assert max(found) - min(found) <= 1
    if source <= house:
        assert max(found) == 1


@pytest.mark.parametrize(
    ("source_rate", "house", "grid"),
    [
        (29.97, FrameRate.FPS30, Fraction(30)),
        (59.94, FrameRate.FPS30, Fraction(60)),
        (23.976, FrameRate.FPS30, 24 * NTSC),
        (25.0, FrameRate.FPS30, Fraction(25)),
        (29.6, FrameRate.FPS30, Fraction(30)),
        (17.3, FrameRate.FPS30, None),
        (0.0, FrameRate.FPS30, None),
    ],
)
def test_the_grid_of_a_source(source_rate: float, house: FrameRate, grid: Fraction | None) -> None:
    """A multiple of the house rate where that is near, a standard rate otherwise; uneven sources have none."""
    assert grid_of(source_rate, house) == grid
