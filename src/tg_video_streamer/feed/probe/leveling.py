"""Finds the gain and limit that bring an item to the house loudness and peak; only the probe's child process imports it.

Two passes of EBU R128: the first measures the item, the second is the encode with one gain. If peaks are too high for
that, the sound alone is encoded and measured with several levels: a limiter lowers the loudness and a lossy codec raises
peaks, by amounts that depend on the item.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import av.error
import av.filter

from tg_video_streamer.feed.probe.loudness import SameFormat
from tg_video_streamer.ffmpeg.filters import PEAK_DECIBELS, level_filters
from tg_video_streamer.ffmpeg.source import Goal, Level

_QUIETEST_LUFS = -60.0
"""Anything quieter counts as silence and is not amplified."""
_LOWEST_PEAK = 1e-6
_SAFE_DECIBELS = 3.0
"""No codec raises a peak by more: a peak so far below the limit needs no test."""
_SPARE_DECIBELS = 0.2
"""The final encode uses another version of the encoder."""
_CLOSE_LUFS = 0.2
_TRIES = 5
_HIGHEST_GAIN = 40.0
_LOWEST_LIMIT = -12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Loudness:
    """Integrated loudness and highest true peak of the whole."""

    lufs: float
    peak_decibels: float


Try = Callable[[Level], "Loudness | None"]


def find_level(tried: Try, loudness: Loudness, goal_lufs: float) -> Level:
    """The level at which the encoder's output, measured by `tried`, has the goal's loudness and no peak is too high.

    If both are impossible the peak decides, and the sound stays quieter.
    """
    level = Level(gain_decibels=goal_lufs - loudness.lufs)
    wanted = PEAK_DECIBELS - _SPARE_DECIBELS
    if loudness.peak_decibels + level.gain_decibels <= PEAK_DECIBELS - _SAFE_DECIBELS:
        return level
    if loudness.peak_decibels + level.gain_decibels > wanted:
        level = Level(gain_decibels=level.gain_decibels, limit_decibels=wanted)
    for _ in range(_TRIES):
        measured = tried(level)
        if measured is None:
            return level
        over, short = measured.peak_decibels - wanted, goal_lufs - measured.lufs
        if over <= _SPARE_DECIBELS / 2 and abs(short) <= _CLOSE_LUFS:
            return level
        limit = level.limit_decibels
        if over > 0:
            limit = max(_LOWEST_LIMIT, (wanted if limit is None else limit) - over)
        gain = level.gain_decibels + (short if abs(short) > _CLOSE_LUFS / 2 else 0.0)
        level = Level(gain_decibels=min(gain, _HIGHEST_GAIN), limit_decibels=limit)
    return level


def measure_whole(container: Any, stream: Any, goal: Goal) -> Loudness | None:
    """The loudness of the played part; None if it is unreadable or silent."""
    meter = _Meter()
    try:
        for frame in _decoded(container, stream, goal):
            meter.push(frame)
    except av.error.FFmpegError:
        return None
    return meter.loudness()


def measure_level(container: Any, stream: Any, goal: Goal, level: Level) -> Loudness | None:
    """The loudness after encoding with `level`; None if it is unreadable or silent."""
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
                for measured in decoder.decode(packet):
                    meter.push(measured)
    except av.error.FFmpegError:
        return None
    return meter.loudness()


def _decoded(container: Any, stream: Any, goal: Goal) -> Iterator[Any]:
    container.seek(int(goal.begin_seconds * 1_000_000))
    stream.codec_context.flush_buffers()
    same = SameFormat()
    for frame in container.decode(stream):
        if frame.time is not None:
            if goal.end_seconds is not None and frame.time >= goal.end_seconds:
                return
            if frame.time + frame.samples / frame.sample_rate <= goal.begin_seconds:
                continue
        for converted in same.frames(frame):
            converted.pts = None
            yield converted


class _Meter:
    """EBU R128 over all pushed frames."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._lufs = _QUIETEST_LUFS
        self._peak = 0.0
        """As a factor, like the filter's output."""

    def push(self, frame: Any) -> None:
        """Measure one frame of sound, after the downmix."""
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
    """The filters of the encode."""

    def __init__(self, stream: Any, level: Level) -> None:
        steps = [step.partition("=") for step in level_filters(level)]
        self._stream = stream
        self._steps = [("aformat", "sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo")]
        self._steps += [(name, options) for name, _, options in steps]
        self._steps.append(("aformat", "sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo"))

    def through(self, frames: Iterator[Any]) -> Iterator[Any]:
        """The filtered frames."""
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
