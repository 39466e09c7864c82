"""An item that was cached on air is prepared again in the better format, and the program goes from one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stands.feeding import feed_of, item_of, play, write_packets
from stands.house import FRAME_TICKS, house_of
from stands.numbered import Plan, make_clip
from stands.program import encode_clip
from stands.recording import read_recording
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.prepare import PrepareResult, prepare_item
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.ffmpeg.prepared import X264Preset
from tg_video_streamer.ffmpeg.prepared_trial import Preparation
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import Packet
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput

HOUSE = house_of("320x180")
FRAMES = 75


async def test_a_live_encode_is_replaced_by_a_prepared_one(ffmpeg: Path, tmp_path: Path) -> None:
    """Cached on air, prepared once, then played: both parts decode as one program, and the second has fewer bits."""
    clip = make_clip(tmp_path / "seven.mp4", Plan(item_id=7, frames=FRAMES))
    headers = encode_clip(tmp_path / "headers", HOUSE, seconds=1).headers
    preparation = Preparation(HOUSE, headers, ffmpeg=ffmpeg, preset=X264Preset.SLOW, bitrate="60k")
    library = Library(
        tmp_path / "library",
        max_bytes=10**9,
        floor_bytes=0,
        house=HOUSE,
        headers=headers,
        clock=SystemClock(),
        prepared=lambda: preparation.key_house,
    )
    library.open()

    async def resolve(_item: Item) -> Media | Expansion:
        inputs = (MediaInput(location=str(clip), is_file=True),)
        return Media(inputs=inputs, title="seven", source_id="site seven")

    def on_air() -> Feed:
        return feed_of(item_of(clip), ffmpeg, headers=headers, house=HOUSE, resolve=resolve, library=library)

    async def preparing(item: Item) -> Feed:
        house, mode = await preparation.house(), FeedMode.PREPARING
        return feed_of(item, ffmpeg, headers=headers, house=house, resolve=resolve, library=library, mode=mode)

    live = await play(on_air())
    assert live.feed.cache_complete
    assert (await prepare_item(item_of(clip), preparing)).result is PrepareResult.CACHED
    assert preparation.warning is None
    assert library.items == 1
    prepared = await play(on_air())
    assert prepared.feed.plays_cached
    assert prepared.feed.plays_prepared
    assert not live.feed.plays_prepared
    assert (await prepare_item(item_of(clip), preparing)).result is PrepareResult.ALREADY_CACHED
    assert _bytes(prepared.pictures) < 0.8 * _bytes(live.pictures)

    path = tmp_path / "spliced.mkv"
    write_packets(path, _one_after_the_other(live.packets, prepared.packets), headers)
    recording = read_recording(path)
    assert [(look.item_id, look.number) for look in recording.looks] == [(7, n) for n in range(FRAMES)] * 2
    library.close()


def _bytes(packets: Sequence[Packet]) -> int:
    return sum(len(packet.data) for packet in packets)


def _one_after_the_other(first: Sequence[Packet], second: Sequence[Packet]) -> list[Packet]:
    whole = FRAMES * FRAME_TICKS
    before = [packet for packet in first if packet.ticks < whole]
    return [*before, *(replace(packet, ticks=packet.ticks + whole) for packet in second if packet.ticks >= 0)]
