"""Finds what gain and limit bring the whole of an item to the house loudness and peak; imported by the probe's child process alone.

Two passes of EBU R128: the first measures the item, the second is the encode with one gain for all of it. Where peaks are
in the way of that, what the encoder will make of it is tried on the sound alone and measured, since a limiter takes
loudness away and a lossy codec adds to peaks, by how much only the item itself can tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import av.error
import av.filter

from tg_video_streamer.ffmpeg.filters import PEAK_DECIBELS, level_filters
from tg_video_streamer.ffmpeg.source import Goal, Level

_QUIETEST_LUFS = -60.0
"""Anything quieter counts as silence, which is not made louder."""
_LOWEST_PEAK = 1e-6
_SAFE_DECIBELS = 3.0
"""No codec adds as much to a peak: what stays so far below the limit needs no try."""
_SPARE_DECIBELS = 0.2
"""Another version of the encoder will encode it."""
_CLOSE_LUFS = 0.2
_TRIES = 5
_HIGHEST_GAIN = 40.0
_LOWEST_LIMIT = -12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Loudness:
    """Of all of it, integrated; and its highest true peak."""

    lufs: float
    peak_decibels: float


Try = Callable[[Level], "Loudness | None"]


def find_level(tried: Try, loudness: Loudness, goal_lufs: float) -> Level:
    """The level at which what comes out of the encoder, as `tried` tells, is as loud as the goal, and no peak is too high.

    Where both cannot be had the peak counts, and it stays quieter.
    """
    level = Level(gain_decibels=goal_lufs - loudness.lufs)
    wanted = PEAK_DECIBELS - _SPARE_DECIBELS
    if loudness.peak_decibels + level.gain_decibels <= PEAK_DECIBELS - _SAFE_DECIBELS:
        return level
    if loudness.peak_decibels + level.gain_decibels > wanted:
        level = Level(gain_decibels=level.gain_decibels, limit_decibels=wanted)
    for _ in range(_TRIES):
        heard = tried(level)
        if heard is None:
            return level
        over, short = heard.peak_decibels - wanted, goal_lufs - heard.lufs
        if over <= _SPARE_DECIBELS / 2 and abs(short) <= _CLOSE_LUFS:
            return level
        limit = level.limit_decibels
        if over > 0:
            limit = max(_LOWEST_LIMIT, (wanted if limit is None else limit) - over)
        gain = level.gain_decibels + (short if abs(short) > _CLOSE_LUFS / 2 else 0.0)
        level = Level(gain_decibels=min(gain, _HIGHEST_GAIN), limit_decibels=limit)
    return level


def measure_whole(container: Any, stream: Any, goal: Goal) -> Loudness | None:
    """The part of the sound that is played; None where it cannot be read or is silence."""
    meter = _Meter()
    try:
        for frame in _decoded(container, stream, goal):
            meter.push(frame)
    except av.error.FFmpegError:
        return None
    return meter.loudness()


def measure_level(container: Any, stream: Any, goal: Goal, level: Level) -> Loudness | None:
    """The same, as it will be heard once it was encoded with `level`; None where it cannot be read."""
    meter = _Meter()
    encoder: Any = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "stereo", "fltp"
    encoder.bit_rate = goal.audio_bits
    decoder: Any = av.CodecContext.create("aac", "r")
    chain = _Chain(stream, level)
    try:
        encoder.open()
        decoder.extradata = encoder.extradata
        for frame in chain.through(_decoded(container, stream, goal)):
            for packet in encoder.encode(frame):
                for heard in decoder.decode(packet):
                    meter.push(heard)
    except av.error.FFmpegError:
        return None
    return meter.loudness()


def _decoded(container: Any, stream: Any, goal: Goal) -> Iterator[Any]:
    container.seek(int(goal.begin_seconds * 1_000_000))
    stream.codec_context.flush_buffers()
    for frame in container.decode(stream):
        if frame.time is not None:
            if goal.end_seconds is not None and frame.time >= goal.end_seconds:
                return
            if frame.time + frame.samples / frame.sample_rate <= goal.begin_seconds:
                continue
        frame.pts = None
        yield frame


class _Meter:
    """EBU R128 over all that is pushed."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._lufs = _QUIETEST_LUFS
        self._peak = 0.0
        """As a factor, which is how the filter tells it."""

    def push(self, frame: Any) -> None:
        """One frame of sound, measured as it will be heard: after the downmix."""
        frame.pts = None
        if self._graph is None:
            self._graph = _graph(
                frame,
                ("aformat", "sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo"),
                ("ebur128", "metadata=1:framelog=quiet:peak=true"),
            )
        self._graph.push(frame)
        for out in _pulled(self._graph):
            metadata = out.metadata
            self._lufs = float(metadata.get("lavfi.r128.I", self._lufs))
            for channel in (0, 1):
                self._peak = max(self._peak, float(metadata.get(f"lavfi.r128.true_peaks_ch{channel}", self._peak)))

    def loudness(self) -> Loudness | None:
        """None for silence."""
        if self._lufs <= _QUIETEST_LUFS:
            return None
        return Loudness(lufs=self._lufs, peak_decibels=20 * math.log10(max(self._peak, _LOWEST_PEAK)))


class _Chain:
    """The filters that the encode will have."""

    def __init__(self, stream: Any, level: Level) -> None:
        steps = [step.partition("=") for step in level_filters(level)]
        self._stream = stream
        self._steps = [("aformat", "sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo")]
        self._steps += [(name, options) for name, _, options in steps]
        self._steps.append(("aformat", "sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo"))

    def through(self, frames: Iterator[Any]) -> Iterator[Any]:
        """What comes out of them."""
        graph: Any = None
        for frame in frames:
            if graph is None:
                graph = _graph(frame, *self._steps)
            graph.push(frame)
            for out in _pulled(graph):
                out.pts = None
                yield out


def _graph(like: Any, *steps: tuple[str, str]) -> Any:
    graph = av.filter.Graph()
    before = graph.add_abuffer(
        sample_rate=like.sample_rate, format=like.format.name, layout=like.layout.name, channels=like.layout.nb_channels
    )
    for name, options in (*steps, ("abuffersink", "")):
        after = graph.add(name, options) if options else graph.add(name)
        before.link_to(after)
        before = after
    graph.configure()
    return graph


def _pulled(graph: Any) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
