"""The advice of another frame rate."""

from __future__ import annotations

import pytest

from tg_video_streamer.doctor.frame_rates import better_rate
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.media import FrameRate


@pytest.mark.parametrize(
    ("rates", "house", "advice"),
    [
        (
            [60.0] * 30 + [59.94] * 11 + [25.0] * 9,
            FrameRate.FPS30,
            "41 of 50 files have 60 pictures a second; at FRAME_RATE=30 every second one is shown. FRAME_RATE=60 shows each once",
        ),
        (
            [23.976] * 4 + [0.0] * 20,
            FrameRate.FPS30,
            "4 of 4 files have 24 pictures a second; at FRAME_RATE=30 some are shown twice. FRAME_RATE=24 shows each once",
        ),
        ([29.97] * 50, FrameRate.FPS30, ""),
        ([25.0] * 5 + [30.0] * 5, FrameRate.FPS30, ""),
        ([60.0, 60.0], FrameRate.FPS30, ""),
        ([12.0] * 10, FrameRate.FPS30, ""),
        ([], FrameRate.FPS25, ""),
    ],
)
def test_most_files_decide(rates: list[float], house: FrameRate, advice: str) -> None:
    """Another rate is named where more than half of the files have it, and only then; a still has none."""
    found = better_rate(rates, house)
    assert (Translator().message_text(found) if found is not None else "") == advice
