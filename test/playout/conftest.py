"""A real slate for the playout's tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stands.house import house_of
from stands.numbered import any_ffmpeg
from tg_video_streamer.playout.slate import Slate, prepare_slate


@pytest.fixture(scope="session")
def slate(tmp_path_factory: pytest.TempPathFactory) -> Slate:
    """The slate as ffmpeg made it."""
    folder: Path = tmp_path_factory.mktemp("slate")
    house = house_of("480p")
    return asyncio.run(prepare_slate(house, ffmpeg=Path(any_ffmpeg()), cache_dir=folder))
