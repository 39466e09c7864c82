"""The doctor names hardware encoders: those of the ffmpeg in use whose device is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tg_video_streamer.doctor.finding import Verdict
from tg_video_streamer.doctor.hardware import check_hardware
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.settings.settings import load_settings


@pytest.mark.parametrize(
    ("devices", "arguments", "verdict", "text"),
    [
        ((), "", Verdict.OK, "no graphics processor that could encode was found; libx264 encodes"),
        (("dev/nvidia0",), "", Verdict.OK, "this host could also encode with h264_nvenc; "),
        (
            (),
            "-c:v h264_nvenc",
            Verdict.WARNING,
            "h264_nvenc needs /dev/nvidia0, which is not there or may not be opened",
        ),
        (("dev/nvidia0",), "-c:v h264_amf", Verdict.OK, "this host could also encode with h264_nvenc; "),
    ],
)
async def test_what_the_host_has_is_named(
    devices: tuple[str, ...], arguments: str, verdict: Verdict, text: str, tmp_path: Path
) -> None:
    """An encoder is offered only with its device, and one that was asked for without it has a remedy."""
    for device in devices:
        (tmp_path / device).parent.mkdir(parents=True)
        (tmp_path / device).touch()
    settings = load_settings(None, {"STATE_DIR": str(tmp_path / "state"), "FFMPEG_ARGS": arguments}).settings
    (found,) = await check_hardware(settings, tmp_path)
    assert found.verdict is verdict
    assert Translator().message_text(found.text).startswith(text)
    assert (found.remedy is None) == (verdict is Verdict.OK)
