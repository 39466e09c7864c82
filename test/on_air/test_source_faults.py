"""Sources of the running service: ffmpeg killed or frozen, sites that break off, refuse, hang: viewers get whole frames."""

from __future__ import annotations

import re
import signal
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stands.channel import Channel, Record, on_air
from stands.numbered import Plan, make_clip
from stands.service import COMMAND
from stands.site import Site, cut_hls
from stands.waiting import wait_until

_SECONDS = {"cut": 8, "page": 3, "first": 3, "second": 3, "vod": 4, "direct": 3, "dies": 8, "forbidden": 8}
"""Clips of the site and their lengths; item ids from 11 on."""
_IDS = {name: number for number, name in enumerate(_SECONDS, start=11)}
_NOISY = ("-vf", "noise=alls=10:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "800k", "-g", "25")
"""About the same number of bytes for each second, so that half of the bytes are half of the clip."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the site serves."""
    folder = tmp_path_factory.mktemp("site")
    for name, seconds in _SECONDS.items():
        plan = Plan(item_id=_IDS[name], frames=seconds * 25, encoder=(*_NOISY, "-pix_fmt", "yuv420p"))
        make_clip(folder / f"{name}.mp4", plan, extra=("-movflags", "+faststart"))
    return folder


def _whole(record: Record, item_id: int, frames: int) -> bool:
    """Whether an item was aired once from its first to its last frame."""
    return [one.numbers for one in record.of(item_id)] == [list(range(frames))]


def test_a_killed_and_a_frozen_encoder_cost_no_frame(media: Path, tmp_path: Path) -> None:
    """ffmpeg killed amid an item, and its successor frozen: the item goes on frame by frame, and no slate is seen."""
    with on_air(tmp_path, media, lines=[media / "long.mp4", media / "one.mp4"]) as channel:
        service = channel.service
        service.wait_for(lambda status: status["buffer_seconds"] > 14, what="the buffer is full")
        (first,) = service.feeds_of(media / "long.mp4")
        first.kill()
        (second,) = wait_until(
            lambda: [one for one in service.feeds_of(media / "long.mp4") if one.pid != first.pid], what="a new ffmpeg"
        )
        service.wait_for(lambda status: status["buffer_seconds"] > 14, what="the buffer is full again")
        second.send_signal(signal.SIGSTOP)
        frozen = service.status()
        seconds = frozen["position_seconds"] + frozen["buffer_seconds"] + 2
        service.wait_for(lambda status: status["position_seconds"] > seconds, what="what was read after the freeze")
        status = service.status()
        metrics = channel.metrics()
        assert service.stop() == 0
        gone = not second.is_running()
        record = channel.aired()

    assert gone
    assert record.faults == []
    (stretch,) = record.stretches
    assert stretch.item_id == 5
    assert stretch.numbers == list(range(stretch.numbers[0], stretch.numbers[0] + stretch.frames))
    assert status["gap_seconds"] == 0
    assert status["streams_played"] == 1
    assert re.search(r'source_failures_total\{reason="encoder_failed",stage="feed"\} 1', metrics), metrics
    assert re.search(r'source_failures_total\{reason="input_stalled",stage="feed"\} 1', metrics), metrics
    assert [line["rung"] for line in channel.as_run()] == ["item"]
