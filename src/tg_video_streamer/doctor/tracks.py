"""Which audio tracks and subtitles a file has, and which of them would be played; pure."""

from __future__ import annotations

from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.ffmpeg.tracks import Track, TrackKind
from tg_video_streamer.locales.message import Message

_STEREO = 2


def tracks_line(path: str, source: SourceFacts) -> Message | None:
    """What a file has and what would be chosen; None if there is nothing to choose."""
    audio = [track for track in source.tracks if track.kind is TrackKind.AUDIO]
    subtitles = [track for track in source.tracks if track.kind is TrackKind.SUBTITLES]
    if len(audio) < 2 and not subtitles:
        return None
    sound = source.sound
    heard = next((one for one in audio if sound and one.stream_index == sound.stream_index), None)
    return Message.of(
        "check.tracks",
        path=path,
        audio=_listed(audio),
        heard=str(heard or "-"),
        subtitles=_listed(subtitles),
        shown=str(source.subtitles or "-"),
    )


def surround_line(path: str, source: SourceFacts) -> Message | None:
    """What becomes of the channels of surround sound; None for mono and stereo."""
    sound = source.sound
    if sound is None or sound.channels <= _STEREO:
        return None
    return Message.of("check.surround", path=path, channels=sound.channels)


def _listed(tracks: list[Track]) -> str:
    return ", ".join(str(track) for track in tracks) or "-"
