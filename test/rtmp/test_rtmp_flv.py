"""FLV of our own making, read by ffmpeg's libraries: both streams, their headers, and times near the end of the format."""

from __future__ import annotations

import io

import av
import pytest

from tg_video_streamer.rtmp import flv

_AVCC = bytes.fromhex("0142c01effe1000867 42c01e 95a0a0 d2 0100 0468ce3c80".replace(" ", ""))
_AAC = bytes.fromhex("1190")


@pytest.mark.parametrize("milliseconds", [0, 2**24 - 1, 2**24, 2**31 - 40])
def test_times_and_packets_are_read_back(milliseconds: int) -> None:
    """A demuxer finds each packet at its millisecond, up to the last that FLV can say."""
    picture, sound = b"\0\0\0\x05\x65\x88\x84\0\x33", b"\x21\x10\x05"
    data = (
        flv.FILE_HEADER
        + flv.file_tag(flv.SCRIPT, 0, b"", flv.metadata(width=854, height=480, frames_per_second=25, rtmp=False))
        + flv.file_tag(flv.VIDEO, 0, b"", flv.video_header(_AVCC))
        + flv.file_tag(flv.AUDIO, 0, b"", flv.audio_header(_AAC))
        + flv.file_tag(flv.VIDEO, milliseconds, flv.KEYFRAME_HEAD, picture)
        + flv.file_tag(flv.AUDIO, milliseconds, flv.SOUND_HEAD, sound)
    )
    with av.open(io.BytesIO(data), "r", format="flv") as container:
        read = [(one.stream.type, one.pts, one.is_keyframe, bytes(one)) for one in container.demux() if one.size]
        headers = [stream.codec_context.extradata for stream in (*container.streams.video, *container.streams.audio)]
    assert read == [("video", milliseconds, True, picture), ("audio", milliseconds, True, sound)]
    assert headers[0] == _AVCC
    assert bytes(headers[1] or b"").startswith(_AAC)
