"""Fixtures of the web tests: a program of real packets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stands.house import house_of
from stands.program import Clip, Program, encode_clip

LONG_AFTER_START = 25 * 3600 * 24 * 35
"""Five weeks in frames: times that exceed 32 bits of the audio clock."""


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """A house-format encode by real ffmpeg: a moving picture with a tone, 16 s, where frame and packet grids meet again."""
    house = house_of("320x180", "-preset", "ultrafast")
    return encode_clip(tmp_path_factory.mktemp("clip"), house, seconds=16)


@pytest.fixture
def program(clip: Clip) -> Iterator[Program]:
    """On air in real time, five weeks after its start."""
    with Program(clip, first_frame=LONG_AFTER_START) as program:
        yield program
