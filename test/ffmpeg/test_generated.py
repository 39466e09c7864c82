"""Command lines of generated pictures, run by each ffmpeg."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import av
import pytest

from stands.ffmpegs import both_ffmpegs
from stands.house import GOP_FRAMES, house_of
from tg_video_streamer.ffmpeg.generated import plain_picture, still_command


@pytest.mark.parametrize("ffmpeg", both_ffmpegs(), ids=lambda path: path.name[:12])
def test_a_plain_picture_becomes_one_gop(ffmpeg: Path) -> None:
    """The picture that stands in for a slate that cannot be drawn is encoded as one whole GOP of its color, with sound."""
    house = house_of("480p")
    command = still_command(house, ffmpeg)
    done = subprocess.run(
        command, input=plain_picture(854, 480, (11, 14, 22)), capture_output=True, check=True, timeout=60
    )
    with av.open(BytesIO(done.stdout), mode="r", format="matroska") as container:
        frames = list(container.decode(video=0))
    with av.open(BytesIO(done.stdout), mode="r", format="matroska") as container:
        sound_seconds = sum(frame.samples for frame in container.decode(audio=0)) / 48000
    assert len(frames) == GOP_FRAMES
    assert [bool(frame.key_frame) for frame in frames] == [True] + [False] * (GOP_FRAMES - 1)
    assert sound_seconds > 0.5, "long enough for a packet of settled silence"
    for frame in (frames[0], frames[-1]):
        red, green, blue = frame.to_ndarray(format="rgb24").reshape(-1, 3).mean(axis=0)
        assert max(abs(red - 11), abs(green - 14), abs(blue - 22)) < 3
