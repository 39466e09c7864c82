"""Opens a source with PyAV and describes its streams; only the probe's child process imports it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any

import av
import av.error

from tg_video_streamer.errors import ProbeFailed
from tg_video_streamer.feed.probe import colors
from tg_video_streamer.feed.probe.animated_webp import animated_webp, is_animated_webp
from tg_video_streamer.feed.probe.channels import mix_of, pair_of
from tg_video_streamer.feed.probe.leveling import find_level, measure_level, measure_whole
from tg_video_streamer.feed.probe.loudness import measure_loudness
from tg_video_streamer.feed.probe.opening import opened
from tg_video_streamer.feed.probe.streams import audio_tracks, subtitle_tracks
from tg_video_streamer.ffmpeg.capable import ANIMATED_WEBP
from tg_video_streamer.ffmpeg.inputs import library_options, plain_manifest, plain_stream
from tg_video_streamer.ffmpeg.source import AudioTrack, Goal, Measured, Picture, ReadAhead, SourceFacts
from tg_video_streamer.ffmpeg.tracks import Track, TrackKind, choose_audio, choose_subtitles
from tg_video_streamer.languages import NO_PREFERENCE, TrackPreference
from tg_video_streamer.locales.message import Message
from tg_video_streamer.resolve.media import MediaInput

_STILL_CONTAINERS = re.compile(r"^image2$|_pipe$")
_INEXACT_CONTAINERS = frozenset({"mpegts", "mpeg", "avi", "asf", "wtv", "h264", "hevc", "ogg", "hls", ANIMATED_WEBP})
_ESTIMATING = frozenset(
    {
        *("mp3", "aac", "ac3", "eac3", "dts", "dtshd", "truehd", "mlp", "latm", "loas", "amr", "amrnb", "amrwb", "oma"),
        *("mpegts", "mpeg", "mpegvideo", "h264", "hevc", "m4v", "vc1", "h263", "obu", "dv", "rm", "nsv", "shn"),
    }
)
"""Demuxers without an index: they guess the length from the bit rate or from the last timestamp, which may have jumped."""
_PROBED_FRAMES = 6
_PROBED_PACKETS = 300
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class InputFacts:
    """The streams of one input."""

    picture: Picture | None
    sound: AudioTrack | None
    duration_seconds: float | None
    container: str
    tracks: tuple[Track, ...] = ()
    """Every audio track and subtitle."""
    heard: Track | None = None
    """The audio track of `sound`."""
    read_ahead: ReadAhead | None = None


def inspect(
    index: int,
    source: MediaInput,
    *,
    wanted_height: int,
    measured: Measured,
    goal: Goal | None = None,
    preference: TrackPreference = NO_PREFERENCE,
) -> InputFacts:
    """Describe the input number `index`; with a `goal` its sound is measured whole. Raises ProbeFailed, never with the URL.

    `preference` decides which of its audio tracks is described and measured.
    """
    options = library_options(
        is_file=source.is_file,
        is_manifest=source.is_manifest,
        headers=source.headers,
        request_bytes=source.request_bytes,
    )
    try:
        if source.is_file and is_animated_webp(Path(source.location)):
            moving, seconds = animated_webp(index, Path(source.location))
            return InputFacts(picture=moving, sound=None, duration_seconds=seconds, container=ANIMATED_WEBP)
        location = f"file:{source.location}" if source.is_file else source.location
        with opened(location, options, is_file=source.is_file) as one:
            found = _describe(
                one.container, index, source, wanted_height, measured=measured, goal=goal, preference=preference
            )
            return replace(found, read_ahead=one.read_ahead)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ProbeFailed(_reason(error)) from error


def combine(
    found: list[InputFacts],
    *,
    live: bool,
    preference: TrackPreference = NO_PREFERENCE,
    side_files: Sequence[Track] = (),
) -> SourceFacts:
    """The facts of an item from its inputs: the first picture, preferably a moving one, and the first sound.

    `side_files`: its subtitles in files of their own.
    """
    pictures = sorted((one.picture for one in found if one.picture), key=lambda picture: picture.still)
    sounds = [one.sound for one in found if one.sound]
    if not pictures and not sounds:
        raise ProbeFailed.of("probe.nothing")
    durations = [one.duration_seconds for one in found if one.duration_seconds]
    tracks = (*(track for one in found for track in one.tracks), *side_files)
    subtitles = [one for one in tracks if one.kind is TrackKind.SUBTITLES]
    heard = next((one.heard for one in found if one.heard), None)
    containers = [one.container for one in found]
    return SourceFacts(
        picture=pictures[0] if pictures else None,
        sound=sounds[0] if sounds else None,
        duration_seconds=None if live or not durations else max(durations),
        live=live,
        container=containers[0],
        duration_estimated=any(name in _ESTIMATING for name in containers),
        read_ahead=max((one.read_ahead for one in found if one.read_ahead), key=attrgetter("megabytes"), default=None),
        inexact_seek=any(name in _INEXACT_CONTAINERS for name in containers),
        tracks=tracks,
        subtitles=None if live else choose_subtitles(subtitles, preference, heard),
    )


def _describe(
    container: Any,
    index: int,
    source: MediaInput,
    wanted_height: int,
    *,
    measured: Measured,
    goal: Goal | None,
    preference: TrackPreference,
) -> InputFacts:
    name = container.format.name.split(",")[0]
    duration = container.duration / _MICROSECONDS if container.duration and container.duration > 0 else None
    if name == "flv" and duration is not None:
        # In FLV the duration is the time of the last packet.
        duration -= max(0, container.start_time or 0) / _MICROSECONDS
    video = _choose_picture(container, wanted_height) if source.has_video else None
    sounds = audio_tracks(container, index) if source.has_audio else []
    heard = choose_audio(sounds, preference, usual=_usual_sound(container, video))
    audio = container.streams.audio[heard.stream_index] if heard is not None else None
    first_times, frames = _first_packets(container, [stream for stream in (video, audio) if stream is not None], video)
    # Through the concat demuxer ffmpeg starts at the earliest packet, encoder delay included; else it skips the delay.
    plain = plain_manifest(name, source.headers) or plain_stream(
        name, source.headers, states_length=source.states_length
    )
    direct = source.is_file or plain
    start = (container.start_time or 0) / _MICROSECONDS if direct else min(first_times, default=0.0)
    if name == "mov" and not source.is_file and (video or audio) and not first_times:
        raise ProbeFailed.of("probe.index_last")
    if name == "webp_pipe" and not frames:
        raise ProbeFailed.of("probe.animated_webp")
    if video is not None and colors.only_dolby_vision(frames[0] if frames else None, video.codec_context):
        raise ProbeFailed.of("probe.dolby_vision")
    picture = _picture(container, index, video, frames, start) if video is not None else None
    sound = _sound(container, index, audio, start) if audio is not None else None
    if sound is not None:
        sound = _measured(sound, container, audio, duration, measured, goal)
    if picture is not None and picture.still and sound is None:
        duration = None
    return InputFacts(
        picture=picture,
        sound=sound,
        duration_seconds=duration,
        container=name,
        tracks=(*sounds, *subtitle_tracks(container, index)),
        heard=heard,
    )


def _choose_picture(container: Any, wanted_height: int) -> Any:
    """The smallest moving picture of at least the wanted height, else the largest, else a cover, else None."""
    streams = [stream for stream in container.streams.video if _usable(stream) and stream.codec_context.width]
    moving = [stream for stream in streams if not _is_cover(stream)]
    enough = [one for one in moving if min(one.codec_context.height, one.codec_context.width) >= wanted_height]
    if enough:
        return min(enough, key=lambda stream: stream.codec_context.height)
    if moving:
        return max(moving, key=lambda stream: stream.codec_context.height)
    return streams[0] if streams else None


def _usual_sound(container: Any, picture: Any) -> int | None:
    """The number of the audio stream that a player takes: of the picture's program, where there are several."""
    best = container.streams.best("audio", related=picture) if picture is not None else None
    best = best or container.streams.best("audio")
    return list(container.streams.audio).index(best) if best is not None else None


def _usable(stream: Any) -> bool:
    return stream.codec_context is not None


def _first_packets(container: Any, streams: list[Any], video: Any) -> tuple[list[float], list[Any]]:
    """The times of the first packet of each stream, and a few decoded pictures (fewer if damaged)."""
    times: dict[int, float] = {}
    frames: list[Any] = []
    if not streams:
        return [], frames
    if video is not None:
        video.thread_type = "SLICE"
    try:
        for packet in islice(container.demux(streams), _PROBED_PACKETS):
            stream = packet.stream
            if packet.pts is not None:
                times.setdefault(
                    stream.index, float(packet.pts * packet.time_base) - _skipped_delay_seconds(container, packet)
                )
            if stream is video or (video is not None and stream.index == video.index):
                frames.extend(_decoded(packet))
            if len(times) == len(streams) and (video is None or len(frames) >= _PROBED_FRAMES):
                break
    except av.error.FFmpegError:
        return list(times.values()), frames
    return list(times.values()), frames


def _skipped_delay_seconds(container: Any, packet: Any) -> float:
    """The encoder delay before a first packet whose predecessor was skipped.

    Opened over HTTP by PyAV, an MP4 starts with its second packet of sound, which states how many samples to skip; opened
    by ffmpeg, as it is played, it starts with the first.
    """
    if packet.stream.type != "audio" or packet.is_discard or not container.format.name.startswith("mov"):
        return 0.0
    for side in packet.iter_sidedata():
        if side.data_type == "skip_samples":
            # Samples to skip at the start, 32 bits, little-endian (libavcodec/packet.h).
            return int.from_bytes(bytes(side)[:4], "little") / float(packet.stream.codec_context.sample_rate)
    return 0.0


def _decoded(packet: Any) -> list[Any]:
    try:
        return list(packet.decode())
    except av.error.FFmpegError:
        return []


def _picture(container: Any, index: int, stream: Any, frames: list[Any], start: float) -> Picture:
    context = stream.codec_context
    first = frames[0] if frames else None
    still = (
        _is_cover(stream) or stream.frames == 1 or bool(_STILL_CONTAINERS.search(container.format.name.split(",")[0]))
    )
    begins = float(stream.start_time * stream.time_base) if stream.start_time is not None else start
    return Picture(
        input_index=index,
        stream_index=list(container.streams.video).index(stream),
        codec=context.name,
        width=context.width,
        height=context.height,
        frame_rate=float(stream.average_rate or stream.guessed_rate or 0),
        interlaced=any(frame.interlaced_frame for frame in frames),
        high_dynamic_range=colors.high_dynamic_range(first, context),
        matrix=colors.matrix(first, context),
        primaries=colors.primaries(first, context),
        full_range=colors.full_range(first, context),
        alpha=colors.has_alpha(context),
        still=still,
        rotation=first.rotation if first is not None else 0,
        sample_aspect=str(stream.sample_aspect_ratio or "1").replace("/", ":"),
        late_seconds=max(0.0, begins - start),
        duration_seconds=_stream_seconds(stream),
        codec_header=bytes(context.extradata or b"").hex(),
    )


def _sound(container: Any, index: int, stream: Any, start: float) -> AudioTrack:
    context = stream.codec_context
    begins = float(stream.start_time * stream.time_base) if stream.start_time is not None else start
    pair = pair_of(container, stream)
    return AudioTrack(
        input_index=index,
        stream_index=pair[0] if pair else list(container.streams.audio).index(stream),
        right_stream_index=pair[1] if pair else None,
        mix=mix_of(context.layout, context.channels),
        codec=context.name,
        channels=context.channels,
        sample_rate=context.sample_rate,
        late_seconds=max(0.0, begins - start),
        duration_seconds=_stream_seconds(stream),
        codec_header=bytes(context.extradata or b"").hex(),
    )


def _measured(
    sound: AudioTrack, container: Any, stream: Any, duration: float | None, measured: Measured, goal: Goal | None
) -> AudioTrack:
    """`sound` with its loudness, and with a `goal` the level that reaches it."""
    if measured is Measured.NOT or sound.mix or sound.right_stream_index is not None:
        return sound
    if goal is None or not duration:
        return replace(sound, loudness_lufs=measure_loudness(container, stream, duration))
    loudness = measure_whole(container, stream, goal)
    if loudness is None:
        return sound
    level = find_level(partial(measure_level, container, stream, goal), loudness, goal.loudness_lufs)
    return replace(sound, loudness_lufs=loudness.lufs, peak_decibels=loudness.peak_decibels, level=level)


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _stream_seconds(stream: Any) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    written = re.match(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if written:
        hours, minutes, seconds = written.groups()
        # In Matroska it is the time at which the stream ends.
        begin = max(0.0, float((stream.start_time or 0) * (stream.time_base or 0)))
        return max(0.0, int(hours) * 3600 + int(minutes) * 60 + float(seconds) - begin)
    return None


def _reason(error: Exception) -> Message:
    """The reason without the location, which is in PyAV's message and may be secret."""
    if isinstance(error, av.error.InvalidDataError):
        return Message.of("probe.no_media")
    if isinstance(error, av.error.ArgumentError):
        return Message.of("probe.list")
    detail = error.strerror if isinstance(error, av.error.FFmpegError) else None
    return Message.of("probe.not_opened", detail=detail or type(error).__name__)
