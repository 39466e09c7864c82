"""A program to feed outputs from: real house-format packets, looped onto the slots and published in slices from a thread."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import av

from stands.house import FRAME_TICKS, RATE
from stands.made import identity, made_once
from tg_video_streamer.ffmpeg.encode import house_arguments, picture_filters
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.media import PACKET_TICKS, CodecHeaders, Kind, Stamped
from tg_video_streamer.playout.fanout import Fanout

SLICE_FRAMES = 4
"""Frames in a slice, as the playout hands them on: 160 ms."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """The packets of one short encode, to be repeated for ever."""

    house: HouseFormat
    headers: CodecHeaders
    video: tuple[tuple[bool, bytes], ...]
    """Keyframe or not, and AVCC data, for each frame."""
    audio: tuple[bytes, ...]

    def stamped(self, first_frame: int = 0) -> Iterator[Stamped]:
        """All packets of an endless repetition in program order, from picture slot `first_frame` on."""
        sound = first_frame * FRAME_TICKS // PACKET_TICKS
        frame = first_frame
        while True:
            keyframe, data = self.video[(frame - first_frame) % len(self.video)]
            yield Stamped(kind=Kind.VIDEO, ticks=frame * FRAME_TICKS, keyframe=keyframe, data=data)
            frame += 1
            while sound * PACKET_TICKS < frame * FRAME_TICKS:
                data = self.audio[sound % len(self.audio)]
                yield Stamped(kind=Kind.AUDIO, ticks=sound * PACKET_TICKS, keyframe=True, data=data)
                sound += 1


def encode_clip(folder: Path, house: HouseFormat, *, seconds: int = 4) -> Clip:
    """Encode a moving test card with a tone by the project's own encoder arguments, and take the packets."""
    path = folder / f"clip-{house.height}-{house.frame_rate}-{seconds}.mkv"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y"]
    command += [
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=size={house.width}x{house.height}:rate={house.frame_rate}:duration={seconds}",
    ]
    command += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}"]
    command += ["-vf", picture_filters(house), *house_arguments(house, str(path))]
    # The last word is the path.
    made_once(path, lambda made: subprocess.run([*command[:-1], made], check=True), command[:-1], identity("ffmpeg"))
    return read_clip(path, house)


def read_clip(path: Path, house: HouseFormat) -> Clip:
    """The packets of a house-format file."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        headers = CodecHeaders(
            video=bytes(video.codec_context.extradata or b""), audio=bytes(audio.codec_context.extradata or b"")
        )
        packets = [packet for packet in container.demux(video, audio) if packet.size]
        return Clip(
            house=house,
            headers=headers,
            video=tuple((packet.is_keyframe, bytes(packet)) for packet in packets if packet.stream is video),
            audio=tuple(bytes(packet) for packet in packets if packet.stream is audio),
        )


class Program:
    """A context in which the clip is published to `fanout` by a thread, paced in real time (times `speed`)."""

    def __init__(self, clip: Clip, *, speed: float = 1.0, first_frame: int = 0) -> None:
        self.clip = clip
        self.fanout = Fanout(clip.headers, RATE)
        self.published: list[Stamped] = []
        """Everything so far, in order."""
        self._packets = clip.stamped(first_frame)
        self._speed = speed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="program")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def frames(self) -> int:
        """How many pictures were published."""
        return sum(packet.kind is Kind.VIDEO for packet in self.published)

    def stop(self) -> None:
        """Publish no more; the subscriptions stay as they are."""
        self._stopping.set()
        self._thread.join()

    def publish(self, frames: int) -> None:
        """Publish the next `frames` pictures and their sound at once, from the caller's thread."""
        slice_: list[Stamped] = []
        pictures = 0
        while pictures < frames:
            packet = next(self._packets)
            pictures += packet.kind is Kind.VIDEO
            slice_.append(packet)
        self.published += slice_
        self.fanout.publish(slice_)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            self.publish(SLICE_FRAMES)
            due += SLICE_FRAMES / 25 / self._speed
