"""Encodes one run of a live stream: an ffmpeg child that reads FLV and fills a buffer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.events import AirContent, CutReason, SourceLevel
from tg_video_streamer.feed.attempt import FeedContext, read_child
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.feed.overlay.overlay import ChooseOverlay, OverlayFiles, no_overlay
from tg_video_streamer.feed.picture_faults import FaultWatch
from tg_video_streamer.feed.pipes import Pipes
from tg_video_streamer.feed.progress import StartPoint
from tg_video_streamer.ffmpeg.command import feed_command
from tg_video_streamer.ffmpeg.filters import ItemRange
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.inputs import live_input
from tg_video_streamer.ffmpeg.overlay import OverlayInput
from tg_video_streamer.ffmpeg.source import AudioTrack, Picture, SourceFacts
from tg_video_streamer.ingest.media import Announced
from tg_video_streamer.media import CodecHeaders, Packet
from tg_video_streamer.playout.source import AirSource

_AHEAD_BYTES = 512 * 1024
"""How much may wait besides the pipe's own buffer: half a second of the richest stream."""

log = structlog.get_logger(__name__)

TITLE = "Live takeover"
LEAD_SECONDS = 1.5
"""How much is buffered before it goes on air: covers network jitter, and is the added delay."""
MAX_LEAD_SECONDS = 6.0
"""Each time that it runs dry, the lead doubles, up to this."""
SPARE_SECONDS = 2.5
"""How much more is buffered on air before the publisher has to wait."""
STALL_SECONDS = 10.0
"""A child that reads and writes nothing for so long is killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderParts:
    """What all live encoders share."""

    house: HouseFormat
    headers: CodecHeaders
    """The program's."""
    ffmpeg: Path
    clock: Clock
    overlay: ChooseOverlay = no_overlay
    """Drawn on the picture, without a title."""


class LiveSource:
    """The packets of a live stream for the playout: none is dropped after the first one taken."""

    def __init__(self, buffer: Buffer, *, limit_seconds: float) -> None:
        """Until then `buffer` slides: it holds the newest packets from a keyframe on. After that `limit_seconds` is its limit."""
        self._buffer = buffer
        self._limit_seconds = limit_seconds

    def head(self) -> Packet | None:
        """See PacketSource."""
        return self._buffer.head()

    def pop(self) -> Packet:
        """See PacketSource."""
        if self._buffer.sliding:
            self._buffer.sliding = False
            self._buffer.limit_seconds = self._limit_seconds
        return self._buffer.pop()

    @property
    def seconds(self) -> float:
        """See PacketSource."""
        return self._buffer.seconds

    @property
    def finished(self) -> bool:
        """See PacketSource."""
        return self._buffer.finished

    @property
    def drained(self) -> bool:
        """See PacketSource."""
        return self._buffer.drained


class LiveEncoder:
    """Belongs to the event loop; `run` ends when all input is encoded or the child has failed."""

    def __init__(
        self,
        parts: EncoderParts,
        source: SourceFacts,
        *,
        offer: Callable[[AirSource], None],
        taken: Callable[[], bool] = lambda: True,
    ) -> None:
        """`offer` gets a new source each time there is enough to go on air, once it is `taken`."""
        self._parts = parts
        self._source = source
        self._offer = offer
        self._taken = taken
        self._pipe = ChildPipe()
        self._lead_seconds = LEAD_SECONDS
        self._buffer = Buffer(parts.house.frame_rate, limit_seconds=LEAD_SECONDS)
        self._buffer.sliding = True
        self.finishing = False
        """No more input: on air it plays to its end; else it never goes on air."""
        self.error: StreamerError | None = None
        """Why the child failed."""
        self.over = False
        """`run` has ended: the buffer gets no more packets."""
        self.offered: AirSource | None = None
        """Offered or on air."""

    def write(self, data: bytes) -> None:
        """Write more of the FLV file, which starts with its header."""
        self._pipe.write(data)

    async def drain(self) -> None:
        """Wait until the child has read most of the input."""
        await self._pipe.drain()

    def newest_keyframe(self) -> Packet | None:
        """The newest picture that can be decoded alone; None before the first."""
        return self._buffer.newest_keyframe()

    def finish(self) -> None:
        """End the input; what was written is still encoded."""
        self.finishing = True
        self._pipe.end()

    def close(self) -> None:
        """End the child, and `run` soon after; the rest is discarded."""
        self._pipe.abandon()
        self._buffer.close()

    def off_air(self, *, dry: bool) -> None:
        """It left the air and may come back: hold the newest packets, more of them where it ran `dry`."""
        self.offered = None
        if dry:
            self._lead_seconds = min(MAX_LEAD_SECONDS, 2 * self._lead_seconds)
            log.info("the live stream has stalled, more of it is buffered from now on", seconds=self._lead_seconds)
        self._buffer.limit_seconds = self._lead_seconds
        self._buffer.sliding = True

    async def run(self) -> None:
        """Encode until the end of the input; `error` is set where it fails. Cancelling kills the child."""
        parts = self._parts
        context = FeedContext(
            house=parts.house,
            headers=parts.headers,
            ffmpeg=parts.ffmpeg,
            clock=parts.clock,
            buffer=self._buffer,
            stall_seconds=STALL_SECONDS,
        )
        pipes = Pipes((), fed=True)
        try:
            await self._pipe.connect(pipes.hand_over_input())
            # The first picture is on air once the lead is buffered.
            begins_wall = parts.clock.wall() + LEAD_SECONDS
            with OverlayFiles(await parts.overlay(), None, age_seconds=0.0) as files:
                files.set_clock(begins_wall)
                outcome = await read_child(
                    context,
                    self._command(files.overlay_input),
                    self._source,
                    StartPoint(item_start_seconds=0.0, rate=parts.house.frame_rate),
                    pipes,
                    descriptors=files.overlay_input.descriptors if files.overlay_input is not None else (),
                    on_line=FaultWatch().take,
                    on_packet=lambda _packet: None,
                    on_progress=self._offer_when_ready,
                )
            # After `close` it does not matter how the child ends.
            self.error = outcome.error if not self._buffer.closed else None
        except StreamerError as error:
            self.error = error
        finally:
            pipes.close()
            self._pipe.abandon()
            self._buffer.finish()
            self.over = True

    def _command(self, overlay: OverlayInput | None) -> list[str]:
        parts = self._parts
        return feed_command(
            parts.ffmpeg,
            [live_input()],
            source=self._source,
            house=parts.house,
            item_range=ItemRange(),
            overlay=overlay,
            low_latency=True,
        )

    def _offer_when_ready(self) -> None:
        """Offer it once enough is buffered; called a few times a second."""
        buffer, lead = self._buffer, self._lead_seconds
        if (
            self.offered is not None
            or self.finishing
            or not self._taken()
            or not buffer.drop_to_keyframe()
            or buffer.seconds < lead
        ):
            return
        packets = LiveSource(buffer, limit_seconds=lead + SPARE_SECONDS)
        self.offered = AirSource(
            packets=packets, content=AirContent(level=SourceLevel.LIVE, title=TITLE), outcome=self._outcome
        )
        self._offer(self.offered)

    def _outcome(self) -> CutReason:
        if self.error is not None:
            return CutReason.LIVE_FAILED
        return CutReason.LIVE_ENDED if self.over or self.finishing else CutReason.LIVE_STALLED


def source_of(said: Announced, house: HouseFormat, *, sound: bool) -> SourceFacts:
    """The facts for the filters; the pictures provide what is not announced."""
    picture = Picture(
        input_index=0,
        stream_index=0,
        codec="h264",
        width=said.width,
        height=said.height,
        frame_rate=said.frames_per_second,
        # Applies only to pictures that are marked as interlaced.
        interlaced=True,
        matrix="auto",
    )
    # Not normalized, only limited: measuring its loudness would delay it by three seconds.
    track = AudioTrack(
        input_index=0,
        stream_index=0,
        codec="aac",
        channels=2,
        sample_rate=48000,
        loudness_lufs=house.loudness_lufs,
    )
    return SourceFacts(
        picture=picture, sound=track if sound else None, duration_seconds=None, live=True, container="flv"
    )


class ChildPipe(asyncio.BaseProtocol):
    """The writing end; data written before `connect` waits. After the child is gone, data is discarded."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._waiting = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False

    async def connect(self, descriptor: int) -> None:
        """Write to `descriptor` from now on; it is closed by this object."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_write_pipe(lambda: self, os.fdopen(descriptor, "wb", buffering=0))
        self._transport = transport
        transport.set_write_buffer_limits(high=_AHEAD_BYTES)
        transport.write(bytes(self._waiting))
        self._waiting.clear()
        if self._ended:
            transport.close()

    def write(self, data: bytes) -> None:
        """Write `data` after the earlier data."""
        if self._ended:
            return
        if self._transport is None:
            self._waiting += data
        else:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the pipe is writable, or the child is gone."""
        await self._writable.wait()

    def end(self) -> None:
        """End the child's input after the data written so far."""
        self._ended = True
        if self._transport is not None:
            self._transport.close()

    def abandon(self) -> None:
        """Discard the data: the child is gone, or must end."""
        self._ended = True
        self._writable.set()
        self._waiting.clear()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def pause_writing(self) -> None:
        """Called by asyncio when too much data waits."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by asyncio when that is over."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reader of the child reports its end
        """Called by asyncio when the pipe is closed, or the child has closed its end."""
        self._ended = True
        self._writable.set()
        # A transport that has ended must not be used any more.
        self._transport = None
