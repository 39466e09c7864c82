"""The command lines of hardware encoders."""

from __future__ import annotations

from pathlib import Path

import pytest

from stands.house import house_of
from tg_video_streamer.ffmpeg.command import feed_command
from tg_video_streamer.ffmpeg.filters import ItemRange
from tg_video_streamer.ffmpeg.generated import still_command
from tg_video_streamer.ffmpeg.hardware import RENDER_NODE
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.ffmpeg.validate import trial_command

SILENT = SourceFacts(picture=None, sound=None, duration_seconds=None)


@pytest.mark.parametrize(
    ("encoder", "device"),
    [
        ("libx264", ""),
        ("h264_nvenc", ""),
        ("h264_vaapi", f"vaapi=gpu:{RENDER_NODE}"),
        ("h264_qsv", f"qsv=gpu:hw,child_device={RENDER_NODE}"),
    ],
)
def test_every_command_line_suits_its_encoder(encoder: str, device: str) -> None:
    """Items, slate and trial open the device, copy their pictures to it, and make no B-frames."""
    house, ffmpeg = house_of("720p", "-c:v", encoder), Path("ffmpeg")
    feed = feed_command(ffmpeg, [["-i", "in.mp4"]], source=SILENT, house=house, item_range=ItemRange())
    for words in (feed, still_command(house, ffmpeg), trial_command(house.encoder_arguments, house, ffmpeg)):
        assert ("-init_hw_device" in words) is bool(device)
        if device:
            assert words.index("-init_hw_device") < words.index("-i")
            assert words[words.index("-init_hw_device") + 1] == device
        filters = words[words.index("-filter_complex" if "-filter_complex" in words else "-vf") + 1]
        assert ("hwupload" in filters.split(",")[-1]) is bool(device)
        assert ("yuv420p" in words) is not bool(device)
        assert words[words.index("-bf") + 1] == "0"
