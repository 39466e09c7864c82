"""The program as an FLV file that has no end, for children that read it from a pipe; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.media import CodecHeaders, Kind, Stamped
from tg_video_streamer.outputs.timestamps import OwnTime, own_milliseconds
from tg_video_streamer.rtmp import flv


def media_messages(packets: Sequence[Stamped], time: OwnTime) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Kind, milliseconds, head and data of each packet; sound from before the first picture is left out."""
    for packet in packets:
        if (ticks := time.ticks(packet)) < 0:
            continue
        if packet.kind is Kind.VIDEO:
            head = flv.KEYFRAME_HEAD if packet.keyframe else flv.PICTURE_HEAD
            yield flv.VIDEO, own_milliseconds(ticks), head, packet.data
        else:
            yield flv.AUDIO, own_milliseconds(ticks), flv.SOUND_HEAD, packet.data


class FlvPipe:
    """One file: its beginning in front of the first packets, the first of which is a picture and stands at 0."""

    def __init__(self, headers: CodecHeaders, house: HouseFormat) -> None:
        self._time = OwnTime()
        metadata = flv.metadata(width=house.width, height=house.height, frames_per_second=house.frame_rate, rtmp=False)
        self._opening = flv.FILE_HEADER + flv.file_tag(flv.SCRIPT, 0, b"", metadata)
        self._opening += flv.file_tag(flv.VIDEO, 0, b"", flv.video_header(headers.video))
        self._opening += flv.file_tag(flv.AUDIO, 0, b"", flv.audio_header(headers.audio))

    def packed(self, packets: Sequence[Stamped]) -> bytes:
        """The next bytes of the file."""
        opening, self._opening = self._opening, b""
        return b"".join((opening, *(flv.file_tag(*message) for message in media_messages(packets, self._time))))
