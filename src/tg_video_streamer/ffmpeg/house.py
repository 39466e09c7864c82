"""The house format, which every packet of the program has."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from tg_video_streamer.media import Fit, FrameRate

PRESETS = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080), "1440p": (2560, 1440)}
"""Names of common sizes, in pixels."""
LEAST_SIDE, MOST_PIXELS, LONGEST_SIDE = 128, 2560 * 1440, 2560

# What Google's Live Stream API recommends for the stream that viewers get, in H.264 (cloud.google.com/livestream/docs/best-practices).
# Decision 36 compares it with other tables.
_KILOBITS = (
    (768 * 432, 1100),
    (960 * 540, 2200),
    (1280 * 720, 3300),
    (1920 * 1080, 6000),
    (2560 * 1440, 10000),
)
_FAST_KILOBITS = ((1280 * 720, 5500), (1920 * 1080, 9000), (2560 * 1440, 13500))
"""The same at 50 and 60 frames a second; below 720p it names none."""
_FAST_RATE = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoSize:
    """Width and height of the program's picture in pixels; both even."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """A preset such as 720p, or WxH. Raises ValueError with what is allowed."""
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
        if (preset := PRESETS.get(text.strip().lower())) is not None:
            width, height = preset
        elif found is not None:
            width, height = int(found[1]), int(found[2])
        else:
            raise ValueError(_ALLOWED)
        odd = width % 2 or height % 2
        if odd or min(width, height) < LEAST_SIDE or max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
            raise ValueError(_ALLOWED)
        return cls(width=width, height=height)

    def __str__(self) -> str:
        names = {size: name for name, size in PRESETS.items()}
        return names.get((self.width, self.height), f"{self.width}x{self.height}")


_ALLOWED = (
    f"{', '.join(PRESETS)} or WIDTHxHEIGHT with even numbers from {LEAST_SIDE} to {LONGEST_SIDE}, in all no more than "
    "2560x1440"
)

USUAL_AUDIO_KILOBITS = 128
_LEAST_AUDIO_KILOBITS, _MOST_AUDIO_KILOBITS = 64, 320

P480 = VideoSize.parse("480p")
P720 = VideoSize.parse("720p")


class Economy(IntEnum):
    """Which of the pictures are made, where the processor cannot make them all: every so many."""

    NONE = 1
    HALF = 2
    COARSE = 3
    """Decoded roughly, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HouseFormat:
    """The picture size, frame rate, bit rate and loudness of the program."""

    width: int
    height: int
    frame_rate: FrameRate
    video_kilobits: int
    fit: Fit = Fit.PAD
    loudness_lufs: float = -16.0
    audio_kilobits: int = USUAL_AUDIO_KILOBITS
    fade_seconds: float = 0.0
    """How long picture and sound fade at both ends of an item; 0: it is cut."""
    encoder_arguments: tuple[str, ...] = ()
    """The operator's checked FFMPEG_ARGS."""
    economy: Economy = Economy.NONE


def house_format(
    size: VideoSize,
    *,
    frame_rate: FrameRate = FrameRate.FPS30,
    fit: Fit = Fit.PAD,
    loudness_lufs: float = -16.0,
    audio_kilobits: int = USUAL_AUDIO_KILOBITS,
    fade_seconds: float = 0.0,
    encoder_arguments: tuple[str, ...] = (),
) -> HouseFormat:
    """The house format for a size and rate, with the bit rate that is usual for them."""
    return HouseFormat(
        width=size.width,
        height=size.height,
        frame_rate=frame_rate,
        video_kilobits=usual_kilobits(size, frame_rate),
        fit=fit,
        loudness_lufs=loudness_lufs,
        audio_kilobits=audio_kilobits,
        fade_seconds=fade_seconds,
        encoder_arguments=encoder_arguments,
    )


def parse_audio_kilobits(text: str) -> int:
    """Kilobits a second of the sound, as in `160k`. Raises ValueError with what is allowed."""
    found = re.fullmatch(r"(\d{2,3})k?", text.strip().lower())
    if found is None or not _LEAST_AUDIO_KILOBITS <= int(found[1]) <= _MOST_AUDIO_KILOBITS:
        raise ValueError(f"must be a bit rate like 160k, from {_LEAST_AUDIO_KILOBITS}k to {_MOST_AUDIO_KILOBITS}k")
    return int(found[1])


def usual_kilobits(size: VideoSize, frame_rate: FrameRate) -> int:
    """Kilobits a second of the picture, in steps of 50; between the published sizes by the number of pixels."""
    pixels = size.width * size.height
    kilobits = _interpolate(_KILOBITS, pixels)
    if frame_rate >= _FAST_RATE:
        least, fast = _FAST_KILOBITS[0]
        kilobits = (
            _interpolate(_FAST_KILOBITS, pixels)
            if pixels >= least
            else kilobits * fast / _interpolate(_KILOBITS, least)
        )
    return max(100, round(kilobits / 50) * 50)


def _interpolate(table: Sequence[tuple[int, int]], pixels: int) -> float:
    """The rate for so many pixels; below the table as many bits a pixel as in its first row."""
    at = bisect_left(table, (pixels, 0))
    if at == 0:
        return table[0][1] * pixels / table[0][0]
    (fewer, lower), (more, higher) = table[at - 1], table[min(at, len(table) - 1)]
    part = (pixels - fewer) / (more - fewer) if more > fewer else 0.0
    return lower + (higher - lower) * part
