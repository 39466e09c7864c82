"""The ffmpegs that everything must work with: the host's, and the one that the wheel brings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tg_video_streamer.ffmpeg.binary import find_ffmpeg


def both_ffmpegs() -> list[Path]:
    """The host's and the wheel's, or the wheel's alone where the host has none."""
    return sorted({find_ffmpeg(), wheel_ffmpeg()})


def each_ffmpeg() -> list[ParameterSet]:
    """Both as parameters of a test, of which the host's is the short one: `test_other_ffmpeg_makes_the_same` is for both."""
    host = find_ffmpeg()
    others = [path for path in both_ffmpegs() if path != host]
    return [pytest.param(host, id="host"), *(pytest.param(one, id="wheel", marks=pytest.mark.long) for one in others)]


def wheel_ffmpeg() -> Path:
    """The wheel's, as it is found where the host has none."""
    path = os.environ["PATH"]
    os.environ["PATH"] = ""
    try:
        return find_ffmpeg()
    finally:
        os.environ["PATH"] = path
