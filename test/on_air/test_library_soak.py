"""A looping channel for a long time: it grows by nothing, and no frame is missing."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from stands.channel import on_air
from stands.flv_tail import last_seconds, missing
from stands.growth import Held, growth_bytes_per_hour, summary
from stands.numbered import Plan, make_clip
from stands.waiting import wait_until

SECONDS = 1800.0
WARM_UP_SECONDS = 300.0
LOOK_SECONDS = 10.0
GROWTH_BYTES = 1_000_000
"""Over the whole time after the warm-up: below what one list of the allocator's comes and goes with."""


@pytest.mark.long
@pytest.mark.timeout(2700)
def test_half_an_hour_of_kept_items_leaves_no_trace(tmp_path: Path) -> None:
    """After its warm-up the service holds the same memory, descriptors and children, and the record lacks no packet."""
    clips = [
        make_clip(tmp_path / f"{number}.mp4", Plan(item_id=number, frames=frames, flashes=(25,), hum=0.02))
        for number, frames in ((1, 250), (2, 263), (3, 387))
    ]
    library = str(tmp_path / "library")
    with on_air(
        tmp_path / "channel", tmp_path, lines=clips, wait=False, LIBRARY_MAX_GB="1", LIBRARY_DIR=library
    ) as channel:
        channel.service.wait_on_air(timeout=240)
        wait_until(lambda: len(list(tmp_path.glob("library/*.flv"))) == 3, timeout=240, what="all kept", every=0.2)
        process = psutil.Process(channel.service.process.pid)
        began = time.monotonic()
        samples = []
        while (passed := time.monotonic() - began) < SECONDS:
            time.sleep(LOOK_SECONDS)
            assert channel.service.process.poll() is None, channel.service.log[-4000:]
            if passed > WARM_UP_SECONDS:
                samples.append(Held.by(process, passed / 3600))
        status = channel.service.status()
        metrics = channel.metrics()
    print(summary(samples))  # noqa: T201 - the figures, for a reader of the log of a long run
    (record,) = channel.server.records()
    assert last_seconds(record) > SECONDS
    assert missing(record) == (0, 0)
    assert (status["gap_seconds"], status["channel_state"]) == (0, "on_air")
    assert (
        "tg_video_streamer_output_reconnects_total{" not in metrics
        or " 0.0" in metrics.partition("tg_video_streamer_output_reconnects_total{")[2]
    )
    assert {one.children for one in samples} == {0}
    # A look at the copy on disk, or a question to the page, is open for a moment.
    assert max(one.descriptors for one in samples) - min(one.descriptors for one in samples) <= 4
    assert abs(growth_bytes_per_hour(samples)) * (SECONDS - WARM_UP_SECONDS) / 3600 < GROWTH_BYTES
