"""Describes an animated WebP by its own head, since ffmpeg reads it from version 9 on only; for the probe's child process."""

from __future__ import annotations

from pathlib import Path

from tg_video_streamer.ffmpeg.source import Picture

_HEAD_BYTES = 21
_ANIMATED = 0x02
"""Of the flags of a VP8X chunk."""


def is_animated_webp(path: Path) -> bool:
    """Whether the head of the file says so. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    extended = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == _HEAD_BYTES
    return extended and bool(head[20] & _ANIMATED)


def animated_webp(index: int, path: Path) -> tuple[Picture, float]:
    """Its picture and its length, as input number `index`. Raises OSError or ValueError."""
    size, lengths = _frames(path)
    seconds = sum(lengths) / 1000
    picture = Picture(
        input_index=index,
        stream_index=0,
        codec="webp_anim",
        width=size[0],
        height=size[1],
        frame_rate=len(lengths) / seconds,
        matrix="bt601",
        alpha=True,
        duration_seconds=seconds,
    )
    return picture, seconds


def _frames(path: Path) -> tuple[tuple[int, int], list[int]]:
    """The size of the picture, and the milliseconds of each frame, without decoding."""
    data = path.read_bytes()
    size = (1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    lengths: list[int] = []
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"ANMF" and at + 24 <= len(data):
            lengths.append(int.from_bytes(data[at + 20 : at + 23], "little"))
        at += 8 + length + length % 2
    if not sum(lengths):
        raise ValueError("an animated WebP without a frame")
    return size, lengths
