"""The house format, which every packet of the program has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Quality(StrEnum):
    """The picture sizes that an operator can choose."""

    P480 = "480p"
    P720 = "720p"
    P1080 = "1080p"


@dataclass(frozen=True, kw_only=True, slots=True)
class HouseFormat:
    """The picture size, bit rate and loudness of the program."""

    quality: Quality
    width: int
    height: int
    video_kilobits: int
    loudness_lufs: float = -16.0
    encoder_arguments: tuple[str, ...] = ()
    """The operator's checked FFMPEG_ARGS."""


_SIZES = {
    Quality.P480: (854, 480, 1200),
    Quality.P720: (1280, 720, 2500),
    Quality.P1080: (1920, 1080, 4500),
}


def house_format(
    quality: Quality, *, loudness_lufs: float = -16.0, encoder_arguments: tuple[str, ...] = ()
) -> HouseFormat:
    """The house format for a quality. Rates follow Telegram's and YouTube's advice for 25 fps live streams."""
    width, height, kilobits = _SIZES[quality]
    return HouseFormat(
        quality=quality,
        width=width,
        height=height,
        video_kilobits=kilobits,
        loudness_lufs=loudness_lufs,
        encoder_arguments=encoder_arguments,
    )
