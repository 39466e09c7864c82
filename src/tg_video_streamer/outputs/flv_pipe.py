"""The program as an FLV file that has no end, for children that read it from a pipe; pure."""

from __future__ import annotations

from collections.abc import Sequence

from tg_video_streamer.media import CodecHeaders, Kind, Stamped
from tg_video_streamer.outputs.timestamps import OwnTime, own_milliseconds
from tg_video_streamer.rtmp import flv


class FlvPipe:
    """One file: its beginning in front of the first packets, the first of which is a picture and stands at 0."""

    def __init__(self, headers: CodecHeaders, *, width: int, height: int) -> None:
        self._time = OwnTime()
        metadata = flv.metadata(width=width, height=height, frames_per_second=25, rtmp=False)
        self._opening = flv.FILE_HEADER + flv.file_tag(flv.SCRIPT, 0, b"", metadata)
        self._opening += flv.file_tag(flv.VIDEO, 0, b"", flv.video_header(headers.video))
        self._opening += flv.file_tag(flv.AUDIO, 0, b"", flv.audio_header(headers.audio))

    def packed(self, packets: Sequence[Stamped]) -> bytes:
        """The next bytes of the file."""
        parts = [self._opening]
        self._opening = b""
        for packet in packets:
            ticks = self._time.ticks(packet)
            if ticks < 0:
                continue
            if packet.kind is Kind.VIDEO:
                head = flv.KEYFRAME_HEAD if packet.keyframe else flv.PICTURE_HEAD
                parts.append(flv.file_tag(flv.VIDEO, own_milliseconds(ticks), head, packet.data))
            else:
                parts.append(flv.file_tag(flv.AUDIO, own_milliseconds(ticks), flv.SOUND_HEAD, packet.data))
        return b"".join(parts)
