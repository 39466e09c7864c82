"""Writes packets into container files with PyAV, for recordings and HLS."""

from __future__ import annotations

import io
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream

from tg_video_streamer.errors import OutputLost
from tg_video_streamer.media import TICKS_PER_SECOND, CodecHeaders, Kind, Stamped
from tg_video_streamer.outputs.timestamps import OwnTime
from tg_video_streamer.rtmp import flv

_TICK = Fraction(1, TICKS_PER_SECOND)


class Muxer:
    """One container being written, from a keyframe on; times count from there."""

    def __init__(
        self,
        path: Path,
        container_format: str,
        headers: CodecHeaders,
        keyframe: Stamped,
        *,
        options: Mapping[str, str] | None = None,
        time: OwnTime | None = None,
    ) -> None:
        """Create `path`; `keyframe` is the first packet, to be given to `add` too. Raises OutputLost.

        `time` continues that of another container; without it this one begins at 0.
        """
        self._path = path
        self._time = time or OwnTime()
        self.bytes_written = 0
        """Of packets; what the container adds is not counted."""
        try:
            self._container: OutputContainer = av.open(
                str(path), "w", format=container_format, options=dict(options or {})
            )
            with _described(headers, keyframe) as template:
                self._streams: dict[Kind, Stream] = {
                    Kind.VIDEO: self._container.add_stream_from_template(template.streams.video[0]),
                    Kind.AUDIO: self._container.add_stream_from_template(template.streams.audio[0]),
                }
        except OSError as error:
            raise self._failure(error) from error

    def add(self, packet: Stamped) -> None:
        """Append a packet; sound from before the first picture is left out. Raises OutputLost, such as for a full disk."""
        ticks = self._time.ticks(packet)
        if ticks < 0:
            return
        muxed = av.Packet(packet.data)
        muxed.pts = muxed.dts = ticks
        muxed.time_base = _TICK
        muxed.is_keyframe = packet.keyframe
        muxed.stream = self._streams[packet.kind]
        try:
            self._container.mux(muxed)
        except OSError as error:
            raise self._failure(error) from error
        self.bytes_written += len(packet.data)

    def close(self) -> None:
        """Write the container's trailer. Raises OutputLost."""
        try:
            self._container.close()
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> OutputLost:
        return OutputLost.of("file_output.write", path=str(self._path), detail=error.strerror or type(error).__name__)


def _described(headers: CodecHeaders, keyframe: Stamped) -> InputContainer:
    """A container with both streams as muxers want them described, read from a few bytes of FLV of our own making."""
    data = (
        flv.FILE_HEADER
        + flv.file_tag(flv.VIDEO, 0, b"", flv.video_header(headers.video))
        + flv.file_tag(flv.AUDIO, 0, b"", flv.audio_header(headers.audio))
        + flv.file_tag(flv.VIDEO, 0, flv.KEYFRAME_HEAD, keyframe.data)
    )
    return av.open(io.BytesIO(data), "r", format="flv")
