"""The program's units: packets in the house format, clock ticks, codec headers, rates and fits of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction

TICKS_PER_SECOND = 3000
"""The common grid of milliseconds (3 ticks), AAC packets (64) and frames of each rate: every time is an integer."""
PACKET_TICKS = 64
"""Ticks between two audio slots: 1024 samples at 48 kHz."""
GOP_SECONDS = 2
"""From one keyframe to the next."""
SILENT_PACKET = bytes.fromhex("211004608c1c")
"""One packet of silence as every encoder of the house format writes it (AAC-LC, stereo)."""


class FrameRate(IntEnum):
    """Frames a second of a program: the rates whose frame is a whole number of ticks and whose GOP is a whole 2 s."""

    FPS24 = 24
    FPS25 = 25
    FPS30 = 30
    FPS50 = 50
    FPS60 = 60

    @property
    def frame_ticks(self) -> int:
        """Ticks between two video slots."""
        return TICKS_PER_SECOND // self

    @property
    def gop_frames(self) -> int:
        """Frames from one keyframe to the next."""
        return GOP_SECONDS * self


class Fit(StrEnum):
    """What becomes of a picture whose shape is not that of the program."""

    PAD = "pad"
    """It is shown whole, between bars."""
    BLUR = "blur"
    """It is shown whole, in front of itself, enlarged and blurred."""
    CROP = "crop"
    """It fills the frame and loses its edges, unless that were more than a quarter of it: then as PAD."""


class Kind(StrEnum):
    """Which of the two streams a packet belongs to."""

    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, kw_only=True, slots=True)
class Packet:
    """One packet of an item in the house format, at the item's own time.

    `ticks` counts from the item's first video frame (after `start=`): a feed that resumes at 60 s starts at
    60 * TICKS_PER_SECOND. Audio may be slightly negative (encoder priming).
    `data` is length-prefixed H.264 (AVCC) or raw AAC. No B-frames: decoding time is presentation time.
    """

    kind: Kind
    ticks: int
    keyframe: bool
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamped:
    """One packet on the program's timeline: its `ticks` are a multiple of the frame's, or of the AAC packet's."""

    kind: Kind
    ticks: int
    keyframe: bool
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class CodecHeaders:
    """What a decoder needs before the first packet; the same bytes for everything that may be spliced."""

    video: bytes
    """AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3), as in Matroska's CodecPrivate."""
    audio: bytes
    """AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1)."""


def seconds(ticks: int) -> float:
    """Ticks as seconds, for people and command lines; never for arithmetic on the timeline."""
    return ticks / TICKS_PER_SECOND


def milliseconds(ticks: int) -> int:
    """Ticks as whole milliseconds, rounded half to even, for FLV timestamps."""
    return round(Fraction(ticks, 3))
