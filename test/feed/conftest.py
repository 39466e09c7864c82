"""Fixtures of feed tests: both ffmpegs, the program's headers, and clips that are made once."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]  # the wheel ships no types
import pytest

from stands.feeding import SMALL
from stands.program import encode_clip
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.media import CodecHeaders

WHEEL = Path(imageio_ffmpeg.get_ffmpeg_exe())
HOST = find_ffmpeg()


@pytest.fixture(
    scope="session", params=[pytest.param(HOST, id="host"), pytest.param(WHEEL, id="wheel", marks=pytest.mark.long)]
)
def each_ffmpeg(request: pytest.FixtureRequest) -> Path:
    """Both programs that must work."""
    return Path(request.param)


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The pinned wheel's program."""
    return WHEEL


@pytest.fixture(scope="session")
def ffmpeg() -> Path:
    """The one that the program uses on this host."""
    return HOST


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of clips that are made once."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def headers(tmp_path_factory: pytest.TempPathFactory) -> CodecHeaders:
    """The program's codec headers, from an encode without a feed."""
    return encode_clip(tmp_path_factory.mktemp("headers"), SMALL, seconds=1).headers
