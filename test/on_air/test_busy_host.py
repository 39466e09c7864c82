"""A host whose processors are taken shows a worse picture, and never the slate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
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


@contextmanager
def starved(process: psutil.Process) -> Iterator[None]:
    """Any process is served before `process`, and three want its processor all the time."""
    processor = {min(os.sched_getaffinity(0))}
    command = [sys.executable, "-c", _LOOP]
    loops = [subprocess.Popen(command, start_new_session=True) for _ in range(3)]
    try:
        for loop in loops:
            os.sched_setaffinity(loop.pid, processor)
        for thread in process.threads():
            os.sched_setscheduler(thread.id, os.SCHED_IDLE, os.sched_param(0))
            os.sched_setaffinity(thread.id, processor)
        # Where the system shares the processor between sessions first.
        if (group := Path(f"/proc/{process.pid}/autogroup")).exists():
            group.write_text("19")
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def test_an_encoder_without_a_processor_costs_no_picture_slot(media: Path, tmp_path: Path) -> None:
    """The encoder on air gets no processor: the rest comes at a lower step that is shown, in time, and nobody sees the slate."""
    with on_air(tmp_path, media, lines=[media / "long.mp4", media / "one.mp4"], LIBRARY_MAX_GB="0") as channel:
        service = channel.service
        service.wait_for(lambda status: status["buffer_seconds"] > 14, what="the buffer is full")
        since = channel.mark()
        (encoder,) = service.feeds_of(media / "long.mp4")
        with starved(encoder):
            lower = service.wait_for(lambda status: status["encode_step"] and status, what="a lower step")
        at = lower["position_seconds"] + lower["buffer_seconds"]
        service.wait_for(lambda status: status["position_seconds"] > at + 2, what="what was encoded at that step")
        status = service.status()
        assert service.stop() == 0
        record = channel.aired(since)

    assert [one.item_id for one in record.stretches] == [5]
    assert slot_faults(record.recording) == []
    assert (status["gap_seconds"], status["streams_played"]) == (0, 1)
    numbers = record.stretches[0].numbers
    assert len(numbers) == record.stretches[0].frames, "a picture that cannot be read"
    own = range(numbers[0], numbers[0] + len(numbers))
    assert max(abs(shown - number) for shown, number in zip(numbers, own, strict=True)) <= 2
    before = round((at - lower["buffer_seconds"]) * 25) - numbers[0]
    assert numbers[:before] == list(own[:before]), "a picture was lost before the step"
    assert len(set(numbers)) < len(numbers), "no plainer picture was seen"
    (line,) = [one for one in channel.as_run() if one["level"] == "item"]
    assert line["encode_step"] == lower["encode_step"]


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
