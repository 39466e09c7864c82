"""The program's units: packets in the house format, clock ticks, codec headers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

TICKS_PER_SECOND = 3000
"""The common grid of milliseconds (3 ticks), video frames (120) and AAC packets (64): every time is an integer."""
FRAME_TICKS = 120
"""Ticks between two video slots at the house rate of 25 frames a second."""
PACKET_TICKS = 64
"""Ticks between two audio slots: 1024 samples at 48 kHz."""
FRAMES_PER_SECOND = 25
GOP_FRAMES = 50
"""Frames from one keyframe to the next: 2 s."""
SILENT_PACKET = bytes.fromhex("211004608c1c")
"""One packet of silence as every encoder of the house format writes it (AAC-LC, stereo)."""


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
    """One packet on the program's timeline: video slot n is at n/25 s, audio slot m at m*1024/48000 s."""

    kind: Kind
    slot: int
    keyframe: bool
    data: bytes

    @property
    def ticks(self) -> int:
        """Program time in ticks."""
        return self.slot * (FRAME_TICKS if self.kind is Kind.VIDEO else PACKET_TICKS)


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
