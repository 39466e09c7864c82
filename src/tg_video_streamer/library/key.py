"""Under which name a copy is kept: a digest of everything that decides what its packets are; pure."""

from __future__ import annotations

import hashlib
import json

from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.library.sidecar import VERSION
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.item import Item


def copy_key(*, item: Item, source_id: str, house: HouseFormat, headers: CodecHeaders, logo: str = "") -> str:
    """32 hexadecimal digits, the same for the same content in the same shape.

    The version of ffmpeg is left out on purpose: an upgrade must not void what is kept against an outage. Headers are
    in, since what differs in them cannot be spliced. `logo` is a digest of the image that stands on the picture, never
    its path, or empty.
    """
    end = item.end_seconds
    parts: list[str | float | int | None] = [
        VERSION,
        source_id,
        float(item.start_seconds),
        None if end is None else float(end),
        float(item.volume),
        house.quality.value,
        house.width,
        house.height,
        house.video_kilobits,
        float(house.loudness_lufs),
        json.dumps(house.encoder_arguments),
        headers.video.hex(),
        headers.audio.hex(),
        logo,
    ]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
