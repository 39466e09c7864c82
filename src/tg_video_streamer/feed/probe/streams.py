"""Lists the audio tracks and subtitles of an open container; only the probe's child process imports it."""

from __future__ import annotations

from typing import Any

import av

from tg_video_streamer.ffmpeg.tracks import Track, TrackKind, described
from tg_video_streamer.languages import language_tag

_MOST_TITLE = 200


def audio_tracks(container: Any, input_index: int) -> list[Track]:
    """The tracks that can be decoded."""
    return [
        _track(stream, TrackKind.AUDIO, input_index, number)
        for number, stream in enumerate(container.streams.audio)
        if stream.codec_context is not None and stream.codec_context.sample_rate
    ]


def subtitle_tracks(container: Any, input_index: int) -> list[Track]:
    """The subtitles that can be decoded, text and bitmap."""
    return [
        _track(stream, TrackKind.SUBTITLES, input_index, number)
        for number, stream in enumerate(container.streams.subtitles)
        if stream.codec_context is not None
    ]


def _track(stream: Any, kind: TrackKind, input_index: int, number: int) -> Track:
    flags, flag = stream.disposition, av.stream.Disposition
    context = stream.codec_context
    # HLS has its NAME as a comment.
    title = stream.metadata.get("title") or stream.metadata.get("comment") or ""
    visual = kind is TrackKind.SUBTITLES
    return described(
        Track(
            kind=kind,
            input_index=input_index,
            stream_index=number,
            codec=context.name,
            language=language_tag(stream.metadata.get("language", "")),
            title="".join(letter if letter.isprintable() else " " for letter in title)[:_MOST_TITLE],
            default=bool(flags & flag.default),
            original=bool(flags & flag.original),
            dubbed=bool(flags & flag.dub),
            forced=bool(flags & flag.forced),
            commentary=bool(flags & flag.comment),
            descriptive=bool(flags & (flag.visual_impaired | flag.descriptions)),
            hearing_impaired=bool(flags & flag.hearing_impaired),
            width=int(getattr(context, "width", 0) or 0) if visual else 0,
            height=int(getattr(context, "height", 0) or 0) if visual else 0,
        )
    )
