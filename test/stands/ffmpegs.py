"""The ffmpegs that everything must work with: the host's, and the one that the wheel brings."""

from __future__ import annotations

import os
from pathlib import Path

from tg_video_streamer.ffmpeg.binary import find_ffmpeg


def both_ffmpegs() -> list[Path]:
    """The host's and the wheel's, or the wheel's alone where the host has none."""
    return sorted({find_ffmpeg(), wheel_ffmpeg()})


def wheel_ffmpeg() -> Path:
    """The wheel's, as it is found where the host has none."""
    path = os.environ["PATH"]
    os.environ["PATH"] = ""
    try:
        return find_ffmpeg()
    finally:
        os.environ["PATH"] = path
