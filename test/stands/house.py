"""The house format of the tests: 25 frames a second, so that times are round, and small pictures that encode fast."""

from __future__ import annotations

from tg_video_streamer.ffmpeg.house import HouseFormat, VideoSize, house_format
from tg_video_streamer.media import Fit, FrameRate

RATE = FrameRate.FPS25
FRAMES_PER_SECOND = int(RATE)
FRAME_TICKS = RATE.frame_ticks
GOP_FRAMES = RATE.gop_frames


def house_of(size: str, *encoder_arguments: str, rate: FrameRate = RATE, fit: Fit = Fit.PAD) -> HouseFormat:
    """The house format of `size`, encoded with `encoder_arguments`."""
    return house_format(VideoSize.parse(size), frame_rate=rate, fit=fit, encoder_arguments=encoder_arguments)
