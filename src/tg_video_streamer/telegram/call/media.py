"""What the call worker is fed with, as raw media: FLV read from a pipe, sound in pieces of 10 ms, pictures as I420."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

import av
from av import AudioResampler, Packet, VideoFrame
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from tg_video_streamer.rtmp import flv

SAMPLES_PER_SECOND = 48_000
PIECE_SAMPLES = 480
"""WebRTC takes sound in pieces of 10 ms."""
_SAMPLE_BYTES = 4
_AAC_SAMPLES = 1024
_TAG_HEAD_BYTES, _TAG_TAIL_BYTES = 11, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """One tag of an FLV file."""

    kind: int
    milliseconds: int
    body: bytes

    @property
    def header(self) -> bool:
        """Whether it holds a decoder's configuration and no media."""
        return self.body[1:2] == b"\0"


async def read_flv(reader: asyncio.StreamReader) -> AsyncIterator[Tag]:
    """The tags of an FLV file that begins at the next byte, until its end; a torn last one is left out."""
    try:
        await reader.readexactly(len(flv.FILE_HEADER))
        while True:
            head = await reader.readexactly(_TAG_HEAD_BYTES)
            body = await reader.readexactly(int.from_bytes(head[1:4], "big"))
            await reader.readexactly(_TAG_TAIL_BYTES)
            milliseconds = int.from_bytes(head[7:8] + head[4:7], "big")
            yield Tag(kind=head[0], milliseconds=milliseconds, body=body)
    except asyncio.IncompleteReadError:
        return


class Sound:
    """Decodes AAC, and cuts it into pieces of 10 ms of s16le stereo at 48 kHz, each with its time in samples."""

    def __init__(self, configuration: bytes) -> None:
        """`configuration`: an AudioSpecificConfig. Raises av.FFmpegError."""
        self._codec = AudioCodecContext.create("aac", "r")
        self._codec.extradata = configuration
        self._to_s16 = AudioResampler(format="s16", layout="stereo", rate=SAMPLES_PER_SECOND)
        self._rest = bytearray()
        self._rest_at = 0
        self.pieces: deque[tuple[int, bytes]] = deque()
        """What can be played: time in samples, and 1920 bytes."""

    def decode(self, milliseconds: int, data: bytes) -> None:
        """Add one packet. Raises av.FFmpegError."""
        # FLV's milliseconds are rounded; AAC packets stand on a grid of their own.
        place = round(milliseconds * SAMPLES_PER_SECOND / 1000 / _AAC_SAMPLES) * _AAC_SAMPLES
        if place != self._rest_at + len(self._rest) // _SAMPLE_BYTES:
            self._rest.clear()
            self._rest_at = place
        for decoded in self._codec.decode(Packet(data)):
            for frame in self._to_s16.resample(decoded):
                self._rest += memoryview(frame.planes[0])[: frame.samples * _SAMPLE_BYTES]
        size = PIECE_SAMPLES * _SAMPLE_BYTES
        while len(self._rest) >= size:
            self.pieces.append((self._rest_at, bytes(self._rest[:size])))
            del self._rest[:size]
            self._rest_at += PIECE_SAMPLES


class Pictures:
    """Keeps H.264 as packets, which are small, and decodes each when it is asked for."""

    def __init__(self, configuration: bytes) -> None:
        """`configuration`: an AVCDecoderConfigurationRecord. Raises av.FFmpegError."""
        self._codec = VideoCodecContext.create("h264", "r")
        self._codec.extradata = configuration
        # More threads would each hold pictures back.
        self._codec.thread_count = 1
        self.waiting: deque[tuple[int, bytes]] = deque()
        """Time in milliseconds, and AVCC data."""

    def next(self) -> list[VideoFrame]:
        """Take the oldest packet and decode it: one picture as a rule. Raises av.FFmpegError."""
        _, data = self.waiting.popleft()
        return self._codec.decode(Packet(data))


def i420(frame: VideoFrame) -> bytes:
    """The picture's three planes without padding, 1.5 bytes a pixel."""
    parts: list[memoryview] = []
    for plane in frame.planes:
        view, step = memoryview(plane), plane.line_size
        if step == plane.width:
            parts.append(view[: step * plane.height])
        else:
            parts += [view[at : at + plane.width] for at in range(0, step * plane.height, step)]
    return b"".join(parts)


MediaError = av.FFmpegError
"""What decoding raises."""
