"""One attempt at an RTMP(S) output: messages built straight from the program's packets, one write a slice."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import OutputError, OutputLost
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.media import CodecHeaders, Stamped
from tg_video_streamer.outputs.adapter import STALL_SECONDS
from tg_video_streamer.outputs.flv_pipe import media_messages
from tg_video_streamer.outputs.timestamps import RTMP_LIMIT_TICKS, OwnTime
from tg_video_streamer.rtmp import flv
from tg_video_streamer.rtmp.acknowledgement import AcknowledgementWatch
from tg_video_streamer.rtmp.address import RtmpAddress
from tg_video_streamer.rtmp.connection import RtmpConnection
from tg_video_streamer.rtmp.publisher import AUDIO_CHUNKS, DATA_CHUNKS, VIDEO_CHUNKS, Publisher

_ACCEPT_SECONDS = 5.0
"""How long a server may take to say yes, once it is connected."""


class RtmpAdapter:
    """See Adapter. Metadata and codec headers go first, so a late viewer's server has them."""

    def __init__(
        self,
        address: RtmpAddress,
        headers: CodecHeaders,
        *,
        house: HouseFormat,
        clock: Clock,
        cancelled: threading.Event,
        ca_file: str | None = None,
        limit_ticks: int = RTMP_LIMIT_TICKS,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """`ca_file`: certificate authorities for rtmps instead of the system's."""
        self.limit_ticks: int | None = limit_ticks
        self._address = address
        self._headers = headers
        self._house = house
        self._clock = clock
        self._publisher = Publisher(address)
        self._connection = RtmpConnection(
            host=address.host,
            port=address.port,
            tls=address.tls,
            clock=clock,
            cancelled=cancelled,
            ca_file=ca_file,
            stall_seconds=stall_seconds,
        )
        self._stall_seconds = stall_seconds
        self._acknowledged = AcknowledgementWatch(stall_seconds)
        self._time = OwnTime()
        self._opening: list[bytes] = []
        self._media_from: int | None = None

    def open(self) -> None:
        """See Adapter."""
        self._connection.open()
        deadline = self._clock.monotonic() + _ACCEPT_SECONDS
        while not self._publisher.live:
            if data := self._publisher.outgoing():
                self._connection.send(data)
            left = deadline - self._clock.monotonic()
            if left <= 0:
                place, state = self._address.place, str(self._publisher.state)
                raise OutputLost.of("rtmp.no_answer", place=place, seconds=_ACCEPT_SECONDS, state=state)
            self._read(left)
        self._prepare_headers()

    def send(self, packets: Sequence[Stamped]) -> None:
        """See Adapter."""
        writer, stream = self._publisher.writer, self._publisher.stream
        parts, self._opening = self._opening, []
        for kind, milliseconds, head, data in media_messages(packets, self._time):
            chunks = VIDEO_CHUNKS if kind == flv.VIDEO else AUDIO_CHUNKS
            writer.add(parts, chunks, kind, milliseconds, stream, head, data)
        if self._media_from is None:
            self._media_from = self._connection.bytes_sent
        self._connection.send(b"".join(parts))
        self.attend()

    def attend(self) -> None:
        """See Adapter."""
        self._read(0.0)
        if data := self._publisher.outgoing():
            self._connection.send(data)
        self._connection.check()
        if self._acknowledged.stalled(
            self._publisher.acknowledgements, self._connection.taken(), self._clock.monotonic()
        ):
            place, seconds = self._address.place, self._stall_seconds
            raise OutputLost.of("connection.stalled_behind_kernel", place=place, seconds=seconds)

    def delivering(self) -> bool:
        """See Adapter."""
        return self._media_from is not None and self._connection.taken() > self._media_from

    def close(self) -> None:
        """See Adapter."""
        if self._publisher.live:
            # An unpublish on a dead connection fails, and that was reported before.
            with contextlib.suppress(OutputError):
                self._connection.send(self._publisher.unpublish())
            self._connection.finish()
        self._connection.close()

    @property
    def bytes_sent(self) -> int:
        """See Adapter."""
        return self._connection.bytes_sent

    def _read(self, seconds: float) -> None:
        data = self._connection.receive(seconds)
        if data is None:
            raise self._publisher.closed()
        if data:
            self._publisher.receive(data)

    def _prepare_headers(self) -> None:
        house, writer, stream = self._house, self._publisher.writer, self._publisher.stream
        metadata = flv.metadata(width=house.width, height=house.height, frames_per_second=house.frame_rate, rtmp=True)
        writer.add(self._opening, DATA_CHUNKS, flv.SCRIPT, 0, stream, b"", metadata)
        writer.add(self._opening, VIDEO_CHUNKS, flv.VIDEO, 0, stream, b"", flv.video_header(self._headers.video))
        writer.add(self._opening, AUDIO_CHUNKS, flv.AUDIO, 0, stream, b"", flv.audio_header(self._headers.audio))
