"""The facts that a probe finds in a source, from which its filters and command line follow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tg_video_streamer.ffmpeg.tracks import Track

LATE_PICTURE_SECONDS = 1.0
"""Up to so much sound before the first picture is cut; more of it plays while the picture is awaited."""


class Measured(StrEnum):
    """How much of an item is measured for its loudness."""

    NOT = "not"
    SAMPLES = "samples"
    """A few seconds in several places, which is quick."""
    WHOLE = "whole"
    """All of it, as the first of two passes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """The target of sound that is measured whole: its loudness, its bit rate, and the part that is played."""

    loudness_lufs: float
    audio_bits: int
    begin_seconds: float = 0.0
    end_seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadAhead:
    """How far a source is read for the parameters of its streams, before it plays."""

    megabytes: int
    seconds: int

    @property
    def options(self) -> dict[str, str]:
        """The options of ffmpeg's demuxers."""
        return {"probesize": str(self.megabytes * 1_000_000), "analyzeduration": str(self.seconds * 1_000_000)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The video stream."""

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
    high_dynamic_range: str = ""
    """Where its transfer is PQ or HLG: all its colors as options of the setparams filter."""
    matrix: str = "bt709"
    """Its color matrix by the name of the scale filter: bt709, bt601, bt2020, rgb; auto: as each picture states."""
    primaries: str = "bt709"
    """Its color primaries by the name of the colorspace filter."""
    full_range: bool = False
    alpha: bool = False
    """Parts of it may be transparent."""
    still: bool = False
    """One picture: a photo or cover art."""
    stands: bool = False
    """It has an input of its own, and each picture stands until the next, also the one before the first frame."""
    rotation: int = 0
    """In degrees, counterclockwise. ffmpeg rotates moving pictures by itself."""
    sample_aspect: str = "1:1"
    late_seconds: float = 0.0
    """How long after its input's start, as ffmpeg sees it, the stream starts."""
    duration_seconds: float | None = None
    codec_header: str = ""
    """The container's codec header in hexadecimal digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """The gain and limit that bring sound to the house loudness."""

    gain_decibels: float
    limit_decibels: float | None = None
    """Peaks above it are lowered; None if there are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioTrack:
    """The audio stream."""

    input_index: int
    stream_index: int
    """Among the audio streams of its input, as in ffmpeg's `0:a:1`."""
    codec: str
    channels: int
    sample_rate: int
    right_stream_index: int | None = None
    """Where this is the left track of a pair: the right one."""
    mix: str = ""
    """Options of the pan filter, where ffmpeg cannot mix the channels by itself."""
    late_seconds: float = 0.0
    """As for the picture; includes encoder delay unless ffmpeg removes it."""
    duration_seconds: float | None = None
    loudness_lufs: float | None = None
    """Integrated loudness (EBU R128), from samples or the whole; None if not measured or silent."""
    peak_decibels: float | None = None
    """True peak (dBTP); None if not measured."""
    level: Level | None = None
    """With it the encoder's output has the house loudness and a permitted peak; None if not measured."""
    codec_header: str = ""
    """The container's codec header in hexadecimal digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFacts:
    """All facts about an item that a command line needs."""

    picture: Picture | None
    sound: AudioTrack | None
    duration_seconds: float | None
    """None for a live source, and if unknown."""
    duration_estimated: bool = False
    """It is a guess from a bit rate, a timestamp or a site: only the end of the data is the end."""
    live: bool = False
    container: str = ""
    """ffmpeg's name of the first input's demuxer."""
    read_ahead: ReadAhead | None = None
    """Needed to find all of its streams; None: as far as ffmpeg reads by itself."""
    inexact_seek: bool = False
    """A seek lands after its target, so it must aim earlier and discard frames."""
    tracks: tuple[Track, ...] = ()
    """Every audio track, and subtitles; where no language is preferred, none."""
    subtitles: Track | None = None
    """To be drawn on the picture."""

    @property
    def endless_picture(self) -> bool:
        """Whether the picture is one frame, repeated while there is sound."""
        return self.picture is None or self.picture.still

    @property
    def moving_picture(self) -> Picture | None:
        """Its picture, unless that is one frame."""
        return None if self.endless_picture else self.picture

    @property
    def still_container(self) -> str:
        """The demuxer that a photo must be opened with; empty if the picture is in a video container."""
        return self.container if self.container == "image2" or self.container.endswith("_pipe") else ""

    def lead_seconds(self, input_index: int) -> float:
        """How much of an input to skip so that its first frame, or first sample of separate sound, is at 0."""
        picture, sound = self.picture, self.sound
        if picture is not None and picture.input_index == input_index and not picture.still:
            late = picture.late_seconds
        elif sound is not None and sound.input_index == input_index:
            late = sound.late_seconds
        else:
            return 0.0
        return late if 0 < late < LATE_PICTURE_SECONDS else 0.0
