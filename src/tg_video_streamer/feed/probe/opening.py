"""Opens a source for the probe, reading on until every stream has its parameters; only the probe's child imports it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import av
import av.error

from tg_video_streamer.ffmpeg.inputs import FIRST_BYTE_SECONDS
from tg_video_streamer.ffmpeg.source import ReadAhead

_FIRST = ReadAhead(megabytes=2, seconds=3)
"""Enough for nearly every source, and quick."""
_DEEPER_IN_A_FILE = (ReadAhead(megabytes=50, seconds=60), ReadAhead(megabytes=1_000_000, seconds=1_000_000))
_DEEPER_ON_THE_WEB = (ReadAhead(megabytes=20, seconds=30),)
_ANNOUNCE_LATER = frozenset({"mpegts", "mpeg", "flv", "live_flv"})
"""Demuxers that find a stream only when its first packet comes."""
_OPEN_SECONDS = (15.0, 5.0)
_OPEN_ON_THE_WEB_SECONDS = (45.0, FIRST_BYTE_SECONDS)
"""A server may begin each of its answers slowly, and an index at the end takes three."""
_DEEPER_SECONDS = (8.0, 5.0)
"""The limits of opening and of one read."""
_BEGINNING_SECONDS = 3.0
"""How long the first packet of a stream is looked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """An open source, and how far it had to be read until its streams were known."""

    container: Any
    read_ahead: ReadAhead | None
    """None: no further than usual."""


@contextmanager
def opened(location: str, options: dict[str, str], *, is_file: bool) -> Iterator[Opened]:
    """`location` with every stream that can be found. Raises what PyAV raises."""
    limits = _OPEN_SECONDS if is_file else _OPEN_ON_THE_WEB_SECONDS
    found = Opened(container=_open(location, options, _FIRST, limits), read_ahead=None)
    try:
        for deeper in _DEEPER_IN_A_FILE if is_file else _DEEPER_ON_THE_WEB:
            declared = _lacks_parameters(found.container)
            if not declared and (found.read_ahead is not None or not _lacks_a_stream(found.container)):
                break
            try:
                again = _open(location, options, deeper, _DEEPER_SECONDS)
            except (av.error.FFmpegError, OSError):
                break  # the first look is better than none
            found.container.close()
            found = Opened(container=again, read_ahead=deeper)
        yield found
    finally:
        found.container.close()


def first_packet_seconds(container: Any, stream: Any) -> float | None:
    """The time of the first packet of a stream whose start no header states; None if it does not come soon."""
    deadline = time.monotonic() + _BEGINNING_SECONDS
    try:
        for packet in container.demux(stream):
            if packet.pts is not None:
                return float(packet.pts * packet.time_base)
            if time.monotonic() > deadline:
                return None
    except (av.error.FFmpegError, OSError):
        return None
    return None


def _open(location: str, options: dict[str, str], ahead: ReadAhead, limits: tuple[float, float]) -> Any:
    return av.open(location, options={**options, **ahead.options}, timeout=limits)


def _lacks_parameters(container: Any) -> bool:
    """Whether there is a stream of picture or sound that cannot be decoded yet."""
    pictures = (one.codec_context for one in container.streams.video)
    sounds = (one.codec_context for one in container.streams.audio)
    return any(one is not None and not one.width for one in pictures) or any(
        one is not None and not (one.sample_rate and one.channels) for one in sounds
    )


def _lacks_a_stream(container: Any) -> bool:
    """Whether the container may show a stream later and has only one kind so far."""
    announces = container.format.name.split(",")[0] in _ANNOUNCE_LATER
    return announces and not (container.streams.video and container.streams.audio)
