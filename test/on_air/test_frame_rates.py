"""Every picture of a source reaches the viewers of a program with its frame rate, on the recorded stream."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from stands.channel import on_air
from stands.numbered import Plan, make_clip
from stands.recording import read_recording, skews, slot_faults
from tg_video_streamer.media import FrameRate

SECONDS = 4


@pytest.mark.parametrize(
    "rate", [FrameRate.FPS30, *(pytest.param(rate, marks=pytest.mark.long) for rate in (24, 25, 50, 60))], ids=str
)
def test_no_picture_is_lost_at_the_rate_of_the_program(rate: int, tmp_path: Path) -> None:
    """Two items, of the rate and of its NTSC neighbor from a container that rounds times, lose no picture; lips in time."""
    clips = [
        make_clip(
            tmp_path / "clips" / name,
            Plan(item_id=number, frames=SECONDS * rate, rate=source_rate, flashes=(rate, 3 * rate)),
        )
        for number, (name, source_rate) in enumerate((("even.mp4", rate), ("ntsc.mkv", rate / 1.001)), 1)
    ]
    with on_air(tmp_path, tmp_path / "clips", lines=clips, LOOP="0", FRAME_RATE=str(rate)) as channel:
        service = channel.service
        service.wait_for(lambda status: status["streams_played"] >= 2, timeout=120, what="both items played")
        service.wait_for(lambda status: status["channel_state"] == "on_slate", what="the list is over")
        assert service.stop() == 0
        (record,) = (channel.server.folder / "records").iterdir()
    recording = read_recording(record)
    assert slot_faults(recording, rate=rate) == []
    for item_id in (1, 2):
        numbers = recording.numbers(item_id)
        steps = [after - before for before, after in pairwise(numbers)]
        # The record may begin amid the first item, where the server was slow to answer.
        assert numbers[-1] == SECONDS * rate - 1
        assert set(steps) <= ({1} if item_id == 1 else {0, 1})
        assert steps.count(0) <= 1
    assert all(abs(skew) <= 0.011 + 1 / rate for skew in skews(recording))
