"""Encodes of two frame rates in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from stands.cached import HOUSE, encode, item, library, packets
from stands.house import FRAME_TICKS
from stands.virtual_time import SetClock
from tg_video_streamer.media import TICKS_PER_SECOND, FrameRate, Kind, Packet


def at_rate(rate: FrameRate) -> Iterator[Packet]:
    """Four seconds of packets with a picture in every frame of a rate."""
    for packet in packets():
        if packet.kind is Kind.AUDIO:
            yield packet
        else:
            number = packet.ticks // FRAME_TICKS
            yield replace(packet, ticks=number * rate.frame_ticks, keyframe=number % rate.gop_frames == 0)


def test_a_change_of_rate_keeps_old_encodes_until_their_room_is_needed(tmp_path: Path) -> None:
    """Programs of two rates each find their own encode of an item; by age the older rate's goes, when the limit is reached."""
    clock, one = SetClock(1_700_000_000.0), item("one")
    keys = {}
    for rate in (FrameRate.FPS25, FrameRate.FPS50):
        shelf = library(tmp_path, house=replace(HOUSE, frame_rate=rate), clock=clock)
        assert shelf.find(one, one.locator) is None
        made = encode(shelf, one, [packet for packet in at_rate(rate) if packet.ticks < 2 * TICKS_PER_SECOND])
        keys[rate], size = made.key, made.bytes
        shelf.close()
        clock.now += 100
    for rate in (FrameRate.FPS25, FrameRate.FPS50):
        shelf = library(tmp_path, house=replace(HOUSE, frame_rate=rate), clock=clock)
        found = shelf.find(one, one.locator)
        assert found is not None
        assert found.key == keys[rate]
        shelf.close()
    shelf = library(tmp_path, house=replace(HOUSE, frame_rate=FrameRate.FPS50), clock=clock, max_bytes=size + 100)
    assert [gone.key for gone in shelf.prune().encodes] == [keys[FrameRate.FPS25]]
    assert shelf.find(one, one.locator) is not None
    shelf.close()
