"""A host whose processors are taken shows a worse picture, and never the slate."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stands.channel import on_air
from stands.numbered import Plan, make_clip
from stands.recording import frame_faults, read_recording, slot_faults

SECONDS = 90
_LOOP = "while True: pass"


@contextmanager
def busy_processors() -> Iterator[None]:
    """A busy loop on each of two processors."""
    loops = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(2)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_busy_loops_cost_quality_and_no_second_of_slate(tmp_path: Path) -> None:
    """A 1080p source in a 720p program beside two busy loops: every picture in time, and a lower step while they last."""
    clip = make_clip(
        tmp_path / "clips" / "large.mp4", Plan(item_id=1, frames=30 * SECONDS, rate=30, width=1920, height=1080)
    )
    with (
        on_air(
            tmp_path,
            tmp_path / "clips",
            lines=[clip],
            LOOP="0",
            VIDEO_SIZE="1280x720",
            FRAME_RATE="30",
            FFMPEG_ARGS="-preset veryfast",
            LIBRARY_MAX_GB="0",
        ) as channel,
        busy_processors(),
    ):
        service = channel.service
        service.wait_for(lambda status: status["streams_played"] >= 1, timeout=400, what="the item has played")
        service.wait_for(lambda status: status["channel_state"] == "on_slate", what="the list is over")
        assert service.stop() == 0
        (record,) = (channel.server.folder / "records").iterdir()
        lines = [json.loads(line) for line in (service.state_dir / "as-run.jsonl").read_text().splitlines()]
    aired = [line for line in lines if line["level"] == "item"]
    first = lines.index(aired[0])
    between = [line["seconds"] for line in lines[first:] if line["level"] == "slate" and line is not lines[-1]]
    assert between == []
    recording = read_recording(record)
    assert slot_faults(recording, rate=30) == []
    # Lower steps show each second or third picture twice or three times: none goes backwards.
    backwards = [fault for fault in frame_faults(recording) if "out of order" in fault]
    assert backwards == []
