"""Where an item fades in and out, from what its probe found; pure."""

from __future__ import annotations

from tg_video_streamer.feed.progress import StartPoint
from tg_video_streamer.ffmpeg.fades import Fades
from tg_video_streamer.ffmpeg.filters import HELD_FROM_SECONDS, ItemRange
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.source import AudioTrack, Picture, SourceFacts


def fades_of(source: SourceFacts, start: StartPoint, item_range: ItemRange, house: HouseFormat) -> Fades:
    """At the item's beginning unless the attempt continues it, and at its end where that is a fact."""
    picture, sound = (_end_of(source, one, start) for one in (source.moving_picture, source.sound))
    if picture is None or (sound is not None and sound - picture >= HELD_FROM_SECONDS):
        # The picture stands until the sound ends.
        picture = sound
    elif sound is not None:
        sound = min(sound, picture)
    limit = item_range.length_seconds
    sound, picture = (limit if end is None else end if limit is None else min(end, limit) for end in (sound, picture))
    return Fades.of(house.fade_seconds, begins=not start.frames, sound_end=sound, picture_end=picture)


def _end_of(source: SourceFacts, stream: Picture | AudioTrack | None, start: StartPoint) -> float | None:
    """Where a stream ends, counted from the first frame of the attempt; None if that is not known for sure."""
    if stream is None or stream.duration_seconds is None or source.live or source.duration_estimated:
        return None
    end = stream.late_seconds + stream.duration_seconds - source.lead_seconds(stream.input_index)
    return max(0.0, end - start.source_seconds)
