"""Surround sound becomes stereo: dialogue keeps its level, the low-frequency channel is left out, and nothing clips."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stands.feeding import feed_of, item_of, play
from tg_video_streamer.media import CodecHeaders

MUSIC, DIALOGUE, RUMBLE = 440, 1000, 60
_HALF = 0.5**0.5
"""In two channels this amplitude has the power of 1 in one channel."""
_MUSIC = f"0.1*{_HALF}*sin(2*PI*{MUSIC}*t)"
_DIALOGUE = f"0.1*sin(2*PI*{DIALOGUE}*t)"
_RUMBLE = f"0.3*sin(2*PI*{RUMBLE}*t)"
_FRONT = f"{_MUSIC}|{_MUSIC}|{_DIALOGUE}|{_RUMBLE}"
STEREO = "|".join([f"{_MUSIC}+{_HALF}*{_DIALOGUE}"] * 2)
SURROUND = {"5.1": f"{_FRONT}|0|0", "7.1": f"{_FRONT}|0|0|0|0"}


def made(sound: str, layout: str, ffmpeg: Path, folder: Path) -> Path:
    """A clip with this sound."""
    path = folder / f"{layout}.mkv"
    command = [str(ffmpeg), "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=gray:s=320x180:r=25:d=3"]
    command += ["-f", "lavfi", "-i", f"aevalsrc='{sound}':c={layout}:s=48000:d=3", "-c:v", "libx264"]
    subprocess.run([*command, "-preset", "ultrafast", "-c:a", "flac", str(path)], check=True, timeout=120)
    return path


async def heard(sound: str, layout: str, ffmpeg: Path, headers: CodecHeaders, folder: Path) -> NDArray[np.float32]:
    """The program's sound of a clip with this one."""
    played = await play(feed_of(item_of(made(sound, layout, ffmpeg, folder)), ffmpeg, headers=headers))
    return played.decoded(folder, headers).samples


def level(samples: NDArray[np.float32], hertz: float) -> float:
    """How loud a tone is in the middle of a clip, in dB of full scale."""
    part = samples[24000:120000]
    times = np.arange(len(part)) / 48000
    return float(20 * np.log10(2 * abs(np.mean(part * np.exp(-2j * np.pi * hertz * times))) + 1e-9))


@pytest.mark.parametrize("layout", SURROUND)
async def test_dialogue_keeps_its_level(layout: str, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """What only the center has is as loud as it would be in stereo, next to music in front, and LFE is not heard."""
    mixed = await heard(SURROUND[layout], layout, each_ffmpeg, headers, tmp_path)
    stereo = await heard(STEREO, "stereo", each_ffmpeg, headers, tmp_path)
    for channel in (0, 1):
        for tone in (DIALOGUE, MUSIC):
            assert abs(level(mixed[channel], tone) - level(stereo[channel], tone)) <= 0.5
        assert level(mixed[channel], RUMBLE) < -60


async def test_a_loud_mix_does_not_clip(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """All channels at full scale and in phase stay below it."""
    loud = "|".join(["0.99*sin(2*PI*300*t)*lt(mod(t\\,1)\\,0.02)+0.01*sin(2*PI*300*t)"] * 6)
    mixed = await heard(loud, "5.1", ffmpeg, headers, tmp_path)
    assert 0.5 < np.abs(mixed).max() < 0.95
