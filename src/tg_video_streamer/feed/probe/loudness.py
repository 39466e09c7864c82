"""Measures the loudness of an item (EBU R128) from a few samples; only the probe's child process imports it."""

from __future__ import annotations

import time
from typing import Any

import av
import av.error
import av.filter

_WINDOWS = 8
_WINDOW_SECONDS = 3.0
_PATIENCE_SECONDS = 2.0
"""A slower measurement is given up."""
_QUIETEST_LUFS = -60.0
"""Anything quieter counts as silence and is not amplified."""


class SameFormat:
    """Converts sound whose format changes in the middle to the one that it begins with, for filters that take one only."""

    def __init__(self) -> None:
        self._first: Any = None
        self._from: Any = None
        self._resampler: Any = None

    def frames(self, frame: Any) -> list[Any]:
        """`frame` as it is, or converted."""
        found = _format_of(frame)
        self._first = self._first or found
        if found == self._first:
            return [frame]
        if found != self._from:
            kind, layout, rate = self._first
            self._from, self._resampler = found, av.AudioResampler(format=kind, layout=layout, rate=rate)
        frame.pts = None
        return list(self._resampler.resample(frame))


def _format_of(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def measure_loudness(container: Any, stream: Any, duration_seconds: float | None) -> float | None:
    """Integrated loudness in LUFS over a short item, or over evenly spread samples of a long one.

    None if unknown: a source without an end, without seeking, or silent. All samples go through one filter, so that the
    gate of EBU R128 works as over a whole program.
    """
    if not duration_seconds:
        return None
    graph = av.filter.Graph()
    source = graph.add_abuffer(template=stream)
    # Measured after the downmix.
    stereo = graph.add("aformat", "sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo")
    meter = graph.add("ebur128", "metadata=1:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(stereo)
    stereo.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    loudness = _QUIETEST_LUFS
    deadline = time.monotonic() + _PATIENCE_SECONDS
    same = SameFormat()
    try:
        for decoded in _samples(container, stream, duration_seconds):
            if time.monotonic() > deadline:
                return None
            for frame in same.frames(decoded):
                frame.pts = None
                graph.push(frame)
                loudness = _read(graph, loudness)
    except av.error.FFmpegError:
        return None
    return loudness if loudness > _QUIETEST_LUFS else None


def _samples(container: Any, stream: Any, duration: float) -> Any:
    if duration <= _WINDOWS * _WINDOW_SECONDS:
        container.seek(0)
        stream.codec_context.flush_buffers()
        yield from container.decode(stream)
        return
    step = duration / _WINDOWS
    for window in range(_WINDOWS):
        begin = step * (window + 0.5) - _WINDOW_SECONDS / 2
        container.seek(int(begin * 1_000_000))
        stream.codec_context.flush_buffers()
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= begin + _WINDOW_SECONDS:
                break
            if frame.time is None or frame.time >= begin:
                yield frame


def _read(graph: Any, loudness: float) -> float:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return loudness
        text = frame.metadata.get("lavfi.r128.I") if hasattr(frame, "metadata") else None
        if text is not None:
            loudness = float(text)
