"""Interlaced video: each of its fields is shown where the program has room for all of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from stands.ffmpegs import each_ffmpeg
from stands.house import house_of
from tg_video_streamer.feed.probe.inspection import combine, inspect
from tg_video_streamer.ffmpeg.filters import ItemRange, filter_graphs
from tg_video_streamer.ffmpeg.source import Measured
from tg_video_streamer.media import FrameRate
from tg_video_streamer.resolve.media import MediaInput

FIELDS = 50
DARKEST, STEP = 40, 3


def interlaced(path: Path) -> Path:
    """One second of 25 pictures of two fields; each field has a brightness of its own, by its number."""
    numbered = f"color=s=320x180:r=50:d=1,format=yuv420p,geq=lum='{DARKEST}+{STEP}*N':cb=128:cr=128"
    graph = f"{numbered},tinterlace=mode=interleave_top,setfield=tff"
    encoder = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", "-flags", "+ildct+ilme", "-top", "1")
    tags = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", graph, *encoder, *tags, str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.mark.parametrize("ffmpeg", each_ffmpeg())
@pytest.mark.parametrize(("rate", "step"), [(FrameRate.FPS50, 1), (FrameRate.FPS25, 2)], ids=["50", "25"])
def test_each_field_is_a_picture_where_there_is_room(rate: FrameRate, step: int, ffmpeg: Path, tmp_path: Path) -> None:
    """Of 25 interlaced pictures a second a program of 50 shows each field once, in order; one of 25 every second one."""
    source = interlaced(tmp_path / "fields.mkv")
    house = house_of("320x180", rate=rate)
    media = MediaInput(location=str(source), is_file=True)
    facts = combine([inspect(0, media, wanted_height=180, measured=Measured.NOT)], live=False)
    (graph,) = filter_graphs(facts, house, ItemRange())
    command = [str(ffmpeg), "-nostdin", "-v", "error", "-i", str(source), "-filter_complex", graph, "-map", "[v]"]
    done = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"], capture_output=True, check=True)
    pictures = np.frombuffer(done.stdout, np.uint8).reshape(-1, 180 * 320 * 3 // 2)[:, : 180 * 320]
    numbers = [round(float(picture[320 * 60 : 320 * 120].mean() - DARKEST) / STEP) for picture in pictures]
    assert len(numbers) == FIELDS // step
    # The first and the last have only one neighbor to be completed from.
    assert set(np.diff(numbers[1:-1]).tolist()) == {step}
