"""What a probe found in a source: the plain data from which its filters and command line follow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LATE_PICTURE_SECONDS = 1.0
"""A picture that begins later than this after the sound is waited for instead of cutting the sound before it."""


class Measured(StrEnum):
    """From how much of an item its loudness is taken."""

    NOT = "not"
    SAMPLES = "samples"
    """A few seconds here and there, which is quick."""
    WHOLE = "whole"
    """All of it, before anything is encoded: the first of two passes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """What sound that is measured whole is to become: the part of it that is played, how loud, in how many bits a second."""

    loudness_lufs: float
    audio_bits: int
    begin_seconds: float = 0.0
    end_seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The stream that the picture comes from."""

    input_index: int
    stream_index: int
    """Among the video streams of its input, as in ffmpeg's `0:v:1`."""
    codec: str
    width: int
    height: int
    """As stored, before rotation and sample aspect ratio."""
    frame_rate: float = 0.0
    """Frames a second; 0 where unknown."""
    interlaced: bool = False
    high_dynamic_range: bool = False
    """Its transfer is PQ or HLG."""
    matrix: str = "bt709"
    """Of its colours, as the scale filter names it: bt709, bt601, bt2020, rgb; auto: as each picture says of itself."""
    full_range: bool = False
    still: bool = False
    """One picture: a photo, or the cover of a record."""
    rotation: int = 0
    """Degrees, for the log: ffmpeg turns it by itself."""
    sample_aspect: str = "1:1"
    late_seconds: float = 0.0
    """How much later it begins than what ffmpeg takes for the beginning of its input."""
    duration_seconds: float | None = None
    codec_header: str = ""
    """In hexadecimal digits, as the container has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """What brings sound to the house loudness without changing it otherwise."""

    gain_decibels: float
    limit_decibels: float | None = None
    """Peaks above it are brought down; None where there are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioTrack:
    """The stream that the sound comes from."""

    input_index: int
    stream_index: int
    """Among the audio streams of its input, as in ffmpeg's `0:a:1`."""
    codec: str
    channels: int
    sample_rate: int
    late_seconds: float = 0.0
    """As for the picture; encoder delay counts where ffmpeg does not take it out of the beginning."""
    duration_seconds: float | None = None
    loudness_lufs: float | None = None
    """Integrated loudness (EBU R128), measured in samples or whole; None where it was not measured or is silence."""
    peak_decibels: float | None = None
    """True peak (dBTP); None where it was not measured."""
    level: Level | None = None
    """Found by trying: what comes out of the encoder with it has the house loudness and no higher peak. None: not tried."""
    codec_header: str = ""
    """As the picture's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFacts:
    """Everything that a command line needs to know of an item."""

    picture: Picture | None
    sound: AudioTrack | None
    duration_seconds: float | None
    """None for a live source, and where nobody knows."""
    live: bool = False
    container: str = ""
    """The demuxer of the first input, as ffmpeg calls it."""
    inexact_seek: bool = False
    """Seeking lands behind the frame that was asked for, so it must aim earlier and throw frames away."""

    @property
    def endless_picture(self) -> bool:
        """The picture is one frame, repeated for as long as there is sound."""
        return self.picture is None or self.picture.still

    @property
    def still_container(self) -> str:
        """The demuxer that a photo must be opened with; empty where the picture lies in a container for films."""
        return self.container if self.container == "image2" or self.container.endswith("_pipe") else ""

    def lead_seconds(self, input_index: int) -> float:
        """What to skip of an input so that its first frame, or the first sample of a separate sound, stands at 0."""
        picture, sound = self.picture, self.sound
        if picture is not None and picture.input_index == input_index and not picture.still:
            late = picture.late_seconds
        elif sound is not None and sound.input_index == input_index:
            late = sound.late_seconds
        else:
            return 0.0
        return late if 0 < late < LATE_PICTURE_SECONDS else 0.0
