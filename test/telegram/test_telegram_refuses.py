"""A channel on air whose Telegram refuses everything: the stream stays, the state is true, and nothing is asked in a loop."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stands.live_channel import LiveChannel
from stands.program import Clip
from stands.telegram_dc.server import StreamState
from stands.telegram_dc.world import Answer, BadMessage, Planned
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.outputs.telegram.watch import WatchPace
from tg_video_streamer.telegram.session.state import SessionState

PACE = WatchPace(check_seconds=0.5, grace_seconds=60.0, title_seconds=0.5)
"""Ten times as often as the service."""
FAULTS: dict[str, Planned] = {
    "refused": (400, "A_NEW_WORD"),
    "unauthorized": (401, "A_NEW_WORD"),
    "forbidden": (406, "TOPIC_CLOSED"),
    "frozen": (420, "FROZEN_METHOD_INVALID"),
    "old": BadMessage(20),
    "clock": BadMessage(16),
    "salt": BadMessage(48),
    "unknown": Answer(struct.pack("<I", 0xDEADBEEF)),
    "fault": (500, "INTERNAL"),
    "slow": (-503, "Timeout"),
    "wait": (420, "FLOOD_WAIT_2"),
}


@pytest.fixture
def channel(tmp_path: Path, house_clip: Clip) -> Iterator[LiveChannel]:
    """A channel whose settings are written and whose output is not started."""
    with LiveChannel(tmp_path, house_clip) as made:
        made.write_env(made.stand.session_string())
        made.stand.do(lambda: setattr(made.stand.world, "stream", StreamState.ADVANCING))
        yield made


def tracebacks(channel: LiveChannel) -> list[Any]:
    """The log lines that are a defect."""
    return [one for one in channel.logs if one["log_level"] in {"error", "critical"} or one.get("exc_info")]


def test_every_answer_is_an_error_on_air(channel: LiveChannel) -> None:
    """Whatever Telegram answers to everything: no frame stops, the session is never said to end, few requests are made."""
    channel.start(pace=PACE)
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed")
    keeper, world = channel.parts.keeper, channel.stand.world
    assert keeper.account is not None
    for name, fault in FAULTS.items():
        channel.stand.always("*", fault)
        before, begun = len(world.requests), time.monotonic()
        channel.until(lambda: len(world.requests) > before, f"{name}: asked")  # noqa: B023 - used within the round
        time.sleep(1.5)  # the length of the fault is what is tested
        checks = (time.monotonic() - begun) / PACE.check_seconds + 1
        assert len(world.requests) - before <= 5 * checks, name
        assert channel.parts.output.handler.status().state is OutputState.ON_AIR, name
        assert keeper.state in {SessionState.VALID, SessionState.RESTRICTED}, name
        assert not keeper.degraded, name
        channel.stand.relent()
        channel.until(lambda: channel.parts.watch.delivery == "confirmed", f"{name}: confirmed again")
    assert channel.parts.output.handler.status().reconnects == 0
    assert not tracebacks(channel)


def test_a_long_wait_before_the_start(channel: LiveChannel) -> None:
    """A FLOOD_WAIT of 600 s for the live stream is said with its end, costs one request, and no other is made meanwhile."""
    channel.stand.always("phone.createGroupCall", (420, "FLOOD_WAIT_600"))
    channel.start()
    channel.until(lambda: "UTC" in channel.error, "the end of the wait")
    assert "FLOOD_WAIT for phone.createGroupCall" in channel.error
    time.sleep(0.5)  # what was on its way
    before, lines = len(channel.stand.world.requests), len(channel.logs)
    time.sleep(3.0)  # the length of the fault is what is tested
    assert len(channel.stand.world.requests) - before <= 1
    assert len(channel.logs) - lines <= 1
    assert len(channel.stand.asked("phone.createGroupCall")) == 1
    assert channel.parts.output.handler.status().state is OutputState.RETRYING
    assert not tracebacks(channel)
