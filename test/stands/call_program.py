"""A small numbered program for video chats: two items on one timeline, with flashes and beeps, in the house's grids."""

from __future__ import annotations

from pathlib import Path

from stands.house import RATE
from stands.numbered import Plan, make_clip
from stands.program import Clip, read_clip
from tg_video_streamer.ffmpeg.house import HouseFormat

ITEM_FRAMES = 96
"""3.84 s: a whole number of AAC packets too, so that the second item's sound begins with its picture."""
ITEM_PACKETS = 180
ITEMS = (1, 2)
FLASHES = (20, 60)


def call_clip(folder: Path, *, width: int, height: int) -> Clip:
    """Both items one after the other, as the program splices them."""
    house = HouseFormat(width=width, height=height, frame_rate=RATE, video_kilobits=400)
    clips = []
    for item_id in ITEMS:
        plan = Plan(item_id=item_id, frames=ITEM_FRAMES, width=width, height=height, flashes=FLASHES)
        clips.append(read_clip(make_clip(folder / f"{item_id}-{width}.mkv", plan), house))
    first, second = clips
    assert first.headers == second.headers
    return Clip(
        house=house,
        headers=first.headers,
        video=first.video + second.video,
        # The first packet is the encoder's run-up.
        audio=first.audio[1 : 1 + ITEM_PACKETS] + second.audio[1 : 1 + ITEM_PACKETS],
    )
