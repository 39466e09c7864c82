"""Classifies a publisher's RTMP messages: headers, keyframes, metadata; pure.

Adobe, "Video File Format Specification Version 10.1", annex E.4, and "Enhanced RTMP" for what is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from tg_video_streamer.errors import MalformedMessage, PublisherRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.rtmp import amf
from tg_video_streamer.rtmp.chunks import MessageKind, RtmpMessage

_AVC, _AAC = 7, 10
_KEYFRAME, _COMMAND_FRAME = 1, 5
_ENHANCED_PICTURE = 0x80
_ENHANCED_SOUND = 9
_METADATA_BYTES = 64 * 1024
_MAX_SIDE = 8192
_MAX_FRAME_RATE = 240.0
_CODECS = {b"hvc1": "HEVC", b"av01": "AV1", b"vp09": "VP9", b"vvc1": "VVC"}


class MediaPart(StrEnum):
    """What one message contains."""

    PICTURE_HEADER = "picture_header"
    KEYFRAME = "keyframe"
    PICTURE = "picture"
    SOUND_HEADER = "sound_header"
    SOUND = "sound"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Announced:
    """The picture as the publisher announces it; 0 where it does not, or the value is implausible."""

    width: int = 0
    height: int = 0
    frames_per_second: float = 0.0


def part_of(message: RtmpMessage) -> MediaPart:
    """What `message` contains. Raises PublisherRefused for an unsupported codec."""
    payload = message.payload
    if len(payload) < 2:
        return MediaPart.NOTHING
    if message.kind == MessageKind.VIDEO:
        return _picture(payload)
    if message.kind == MessageKind.AUDIO:
        return _sound(payload)
    return MediaPart.NOTHING


def _picture(payload: bytes) -> MediaPart:
    if payload[0] & _ENHANCED_PICTURE:
        raise _refused("publisher.picture", _CODECS.get(payload[1:5], "Enhanced RTMP"))
    frame, codec_number = payload[0] >> 4, payload[0] & 0x0F
    if frame == _COMMAND_FRAME:
        return MediaPart.NOTHING
    if codec_number != _AVC:
        raise _refused("publisher.picture", f"FLV {codec_number}")
    if payload[1] == 0:
        return MediaPart.PICTURE_HEADER
    if payload[1] != 1:
        return MediaPart.NOTHING
    return MediaPart.KEYFRAME if frame == _KEYFRAME else MediaPart.PICTURE


def _sound(payload: bytes) -> MediaPart:
    codec = payload[0] >> 4
    if codec != _AAC:
        raise _refused("publisher.sound", "Enhanced RTMP" if codec == _ENHANCED_SOUND else f"FLV {codec}")
    return MediaPart.SOUND_HEADER if payload[1] == 0 else MediaPart.SOUND


def _refused(key: str, codec: str) -> PublisherRefused:
    return PublisherRefused(Message.of(key, codec=codec), why="codec", remedy=Message.of("publisher.codec"))


def announced(payload: bytes) -> Announced | None:
    """The values of `onMetaData`; None for another message. Raises MalformedMessage."""
    if len(payload) > _METADATA_BYTES:
        raise MalformedMessage("the metadata of a live stream is too large")
    values = amf.decode(payload)
    if "onMetaData" not in [value for value in values if isinstance(value, str)]:
        return None
    fields = next((value for value in values if isinstance(value, dict)), {})
    return Announced(
        width=round(_number(fields.get("width"), _MAX_SIDE)),
        height=round(_number(fields.get("height"), _MAX_SIDE)),
        frames_per_second=round(_number(fields.get("framerate"), _MAX_FRAME_RATE), 3),
    )


def _number(value: amf.Value, most: float) -> float:
    """A number from 0 to `most`, else 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if math.isfinite(value) and 0 <= value <= most else 0.0
