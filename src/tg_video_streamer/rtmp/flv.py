"""Payloads of media messages, which RTMP shares with FLV files, and the frame that a file puts around them; pure.

Adobe, "Video File Format Specification Version 10.1", annex E: E.4.2 audio, E.4.3 video, E.4.4 data.
"""

from __future__ import annotations

import struct

from tg_video_streamer.rtmp import amf

AUDIO, VIDEO, SCRIPT = 8, 9, 18
"""Tag types; RTMP's message type ids are the same."""
KEYFRAME_HEAD = b"\x17\x01\0\0\0"
"""In front of an AVC keyframe whose decoding time is its presentation time."""
PICTURE_HEAD = b"\x27\x01\0\0\0"
"""In front of any other AVC picture."""
SOUND_HEAD = b"\xaf\x01"
"""In front of a raw AAC packet; the rate and channels in it are fixed for AAC."""
FILE_HEADER = b"FLV\x01\x05" + struct.pack(">II", 9, 0)
"""Of a file with both kinds, with the length of the tag before the first: none."""
SILENT_FILE_HEADER = b"FLV\x01\x01" + struct.pack(">II", 9, 0)
"""The same of a file without sound: a reader that waits for both kinds would never start."""


def video_header(avc_configuration: bytes) -> bytes:
    """The AVC sequence header from an AVCDecoderConfigurationRecord."""
    return b"\x17\0\0\0\0" + avc_configuration


def audio_header(audio_configuration: bytes) -> bytes:
    """The AAC sequence header from an AudioSpecificConfig."""
    return b"\xaf\0" + audio_configuration


def metadata(*, width: int, height: int, frames_per_second: float, rtmp: bool) -> bytes:
    """`onMetaData`; on RTMP it is wrapped in `@setDataFrame`, by which servers keep it for late viewers."""
    fields: dict[str, amf.Value] = {
        "width": width,
        "height": height,
        "framerate": frames_per_second,
        "videocodecid": 7,
        "audiocodecid": 10,
        "audiosamplerate": 48000,
        "audiosamplesize": 16,
        "stereo": True,
        "encoder": "tg_video_streamer",
    }
    body = amf.encode("onMetaData", amf.EcmaArray(fields))
    return amf.encode("@setDataFrame") + body if rtmp else body


def file_tag(kind: int, milliseconds: int, head: bytes, data: bytes) -> bytes:
    """One tag of an FLV file, with the length of itself that follows each."""
    size = len(head) + len(data)
    time = milliseconds & 0xFFFFFFFF
    first = struct.pack(">BBHBHB3x", kind, size >> 16, size & 0xFFFF, (time >> 16) & 0xFF, time & 0xFFFF, time >> 24)
    return b"".join((first, head, data, struct.pack(">I", size + 11)))
