"""Sources whose picture stands while the sound continues: slides, screen recordings, a camera that is switched off; pure.

In one input the next picture comes only after all the sound before it. Read from an input of its own it comes at once, so the
picture before it stands for exactly its time.
"""

from __future__ import annotations

from dataclasses import replace

from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.resolve.media import Media

_FEW_PICTURES = 12.0
"""Fewer a second on average: there may be long pauses between them."""
_ENDS_EARLY_SECONDS = 10.0


def stands(source: SourceFacts) -> bool:
    """Whether the probe shows that pictures are far apart, or that they end long before the sound."""
    picture, sound = source.picture, source.sound
    if picture is None or sound is None:
        return False
    ends = picture.duration_seconds is not None and sound.duration_seconds is not None
    early = ends and (sound.duration_seconds or 0.0) - (picture.duration_seconds or 0.0) > _ENDS_EARLY_SECONDS
    return early or 0 < picture.frame_rate < _FEW_PICTURES


def may_be_read_twice(media: Media, source: SourceFacts) -> bool:
    """Whether picture and sound are in one input that can be opened once more."""
    picture, sound = source.picture, source.sound
    if picture is None or sound is None or picture.still or source.live or media.is_live:
        return False
    one = media.inputs[picture.input_index]
    return picture.input_index == sound.input_index and not one.received and one.growing is None


def read_twice(media: Media, source: SourceFacts) -> tuple[Media, SourceFacts]:
    """`media` with one more input for the sound, and the facts that go with it."""
    picture, sound = source.picture, source.sound
    assert picture is not None and sound is not None  # noqa: S101, PT018 - the caller has asked `may_be_read_twice`
    both = (*media.inputs, media.inputs[sound.input_index])
    # Both inputs begin at the same time of the source.
    apart = replace(sound, input_index=len(media.inputs), late_seconds=picture.late_seconds)
    return replace(media, inputs=both), replace(source, picture=replace(picture, stands=True), sound=apart)
