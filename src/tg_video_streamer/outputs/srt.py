"""One attempt at an SRT output: an ffmpeg child is fed with FLV of our own making and sends MPEG-TS.

SRT is native code on the network, so it runs in a child that can be killed. Its URL stands on the child's command line,
where every user of the host can read it with `ps`: a passphrase in it is no secret on a host that others use too.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import ChildFailed, OutputLost
from tg_video_streamer.ffmpeg.child import FedChild
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.media import CodecHeaders, Stamped
from tg_video_streamer.outputs.adapter import STALL_SECONDS
from tg_video_streamer.outputs.flv_pipe import FlvPipe
from tg_video_streamer.outputs.timestamps import MPEGTS_LIMIT_TICKS


def srt_command(ffmpeg: Path, url: str) -> list[str]:
    """The child's command line: FLV on stdin, MPEG-TS to `url`, and how many bytes have left on stdout."""
    return [
        str(ffmpeg),
        *("-hide_banner", "-loglevel", "warning", "-nostats", "-progress", "pipe:1", "-stats_period", "0.5"),
        # The headers come first and say everything, so there is nothing to analyse.
        *("-analyzeduration", "500000", "-probesize", "65536"),
        *("-f", "flv", "-i", "pipe:0", "-map", "0", "-c", "copy"),
        *("-f", "mpegts", "-flush_packets", "1", url),
    ]


def secrets_of(url: str) -> list[str]:
    """What of an SRT URL must not be seen in messages: the whole, its query and the values in it."""
    query = urlsplit(url).query
    return [url, query, *(value for name, value in parse_qsl(query) if name in {"passphrase", "streamid"})]


class SrtAdapter:
    """See Adapter."""

    def __init__(
        self,
        url: str,
        headers: CodecHeaders,
        *,
        house: HouseFormat,
        ffmpeg: Path,
        clock: Clock,
        cancelled: threading.Event,
        limit_ticks: int = MPEGTS_LIMIT_TICKS,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """`ffmpeg` must know the protocol srt."""
        self.limit_ticks: int | None = limit_ticks
        parts = urlsplit(url)
        self._place = f"srt://{parts.hostname or ''}:{parts.port}"
        self._url = url
        self._ffmpeg = ffmpeg
        self._clock = clock
        self._cancelled = cancelled
        self._stall_seconds = stall_seconds
        self._child: FedChild | None = None
        self._flv = FlvPipe(headers, house)
        self._progress = b""
        self._sent = 0
        self._moved_at = clock.monotonic()

    def open(self) -> None:
        """See Adapter; whether the far end is there shows only once media is sent."""
        command = srt_command(self._ffmpeg, self._url)
        self._child = FedChild(command, clock=self._clock, cancelled=self._cancelled, hidden=secrets_of(self._url))
        self._moved_at = self._clock.monotonic()

    def send(self, packets: Sequence[Stamped]) -> None:
        """See Adapter."""
        try:
            self._running.write(self._flv.packed(packets), stall_seconds=self._stall_seconds)
        except ChildFailed as error:
            raise OutputLost.of("srt.failed", place=self._place, problem=error.message) from error
        self.attend()

    def attend(self) -> None:
        """See Adapter."""
        try:
            self._progress += self._running.read()
        except ChildFailed as error:
            raise OutputLost.of("srt.failed", place=self._place, problem=error.message) from error
        *lines, self._progress = self._progress.split(b"\n")
        for line in lines:
            name, _, value = line.partition(b"=")
            # The rest of a report is about times and speed; before anything was sent the size is N/A.
            if name == b"total_size" and value.isdigit() and int(value) > self._sent:
                self._sent = int(value)
                self._moved_at = self._clock.monotonic()
        if self._clock.monotonic() - self._moved_at >= self._stall_seconds:
            raise OutputLost.of("connection.stalled", place=self._place, seconds=self._stall_seconds)

    def delivering(self) -> bool:
        """See Adapter."""
        return self._sent > 0

    def close(self) -> None:
        """See Adapter."""
        if self._child is not None:
            self._child.end()
            self._child = None

    @property
    def bytes_sent(self) -> int:
        """See Adapter."""
        return self._sent

    @property
    def _running(self) -> FedChild:
        if self._child is None:
            raise OutputLost.of("connection.none", place=self._place)
        return self._child
