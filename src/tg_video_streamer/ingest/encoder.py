"""One live stream, or a stretch of it, on its way to the air: an ffmpeg child that is fed with FLV, and what it gives."""

from __future__ import annotations

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
from tg_video_streamer.ingest.pipe import ChildPipe
from tg_video_streamer.media import CodecHeaders, Packet
from tg_video_streamer.playout.source import AirSource

log = structlog.get_logger(__name__)

TITLE = "Live takeover"
LEAD_SECONDS = 1.5
"""What is held when viewers begin to see it: it bridges the jitter of the way here, and is the delay that it costs."""
LONGEST_LEAD_SECONDS = 6.0
"""Each time that it runs dry, twice as much is held from then on, up to this."""
SPARE_SECONDS = 2.5
"""What may be held beyond that while it is on air, before the publisher is made to wait."""
STALL_SECONDS = 10.0
"""A child that takes and gives nothing for so long is killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderParts:
    """What all encoders of live streams have in common."""

    house: HouseFormat
    headers: CodecHeaders
    """The program's."""
    ffmpeg: Path
    clock: Clock
    overlay: ChooseOverlay = no_overlay
    """What the picture wears; a title it has none."""


class LiveSource:
    """The packets of a live stream as the playout takes them: from the first one that it takes, none is dropped."""

    def __init__(self, buffer: Buffer, *, limit_seconds: float) -> None:
        """`buffer` slides until then: it holds what is newest, and begins with a keyframe. Then `limit_seconds` count."""
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
    """Belongs to the event loop; `run` lasts until all that was written has come out, or the child has failed."""

    def __init__(self, parts: EncoderParts, source: SourceFacts, *, offer: Callable[[AirSource], None]) -> None:
        """`offer` gets a source each time there is enough to go on air; after it came off again, it is a new one."""
        self._parts = parts
        self._source = source
        self._offer = offer
        self._pipe = ChildPipe()
        self._lead_seconds = LEAD_SECONDS
        self._buffer = Buffer(limit_seconds=LEAD_SECONDS)
        self._buffer.sliding = True
        self.finishing = False
        """Nothing is written any more: what is on air is played to its end, and what is not never will be."""
        self.error: StreamerError | None = None
        """Why the child failed."""
        self.over = False
        """`run` has ended: what is held is all there will be."""
        self.offered: AirSource | None = None
        """What was offered, or is on air."""

    def write(self, data: bytes) -> None:
        """More of the FLV file, which begins with its header."""
        self._pipe.write(data)

    async def drain(self) -> None:
        """Wait until the child has taken most of what was written."""
        await self._pipe.drain()

    def finish(self) -> None:
        """Nothing follows; what was written is still encoded."""
        self.finishing = True
        self._pipe.end()

    def close(self) -> None:
        """Nobody takes any more: the child ends, and `run` soon after."""
        self._pipe.abandon()
        self._buffer.close()

    def came_off(self, *, dry: bool) -> None:
        """It is not on air any more, and may come back: hold what is newest; more of it where it ran `dry`."""
        self.offered = None
        if dry:
            self._lead_seconds = min(LONGEST_LEAD_SECONDS, 2 * self._lead_seconds)
            log.info("the live stream has stalled: from now on more of it is held", seconds=self._lead_seconds)
        self._buffer.limit_seconds = self._lead_seconds
        self._buffer.sliding = True

    async def run(self) -> None:
        """Encode until the end of what is written; `error` says how it failed. Cancelling kills the child."""
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
            # The first picture is on air as soon as enough is held.
            begins_wall = parts.clock.wall() + LEAD_SECONDS
            with OverlayFiles(await parts.overlay(), None, age_seconds=0.0) as files:
                files.set_clock(begins_wall)
                outcome = await read_child(
                    context,
                    self._command(files.overlay_input),
                    self._source,
                    StartPoint(item_start_seconds=0.0),
                    pipes,
                    overlay=files.overlay_input,
                    on_line=FaultWatch().take,
                    on_packet=lambda _packet: None,
                    on_progress=self._look,
                )
            # A child that nobody wants any more may end as it likes.
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

    def _look(self) -> None:
        """A few times a second: whether it may go on air."""
        buffer, lead = self._buffer, self._lead_seconds
        if self.offered is not None or self.finishing or not buffer.drop_to_keyframe() or buffer.seconds < lead:
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
    """What the filters need to know of a stream of which only a little is announced; its pictures say the rest."""
    picture = Picture(
        input_index=0,
        stream_index=0,
        codec="h264",
        width=said.width,
        height=said.height,
        frame_rate=said.frames_per_second,
        # Touches only pictures that say so.
        interlaced=True,
        matrix="auto",
    )
    # As loud as it comes, but limited: to measure its loudness would hold it back by three seconds.
    heard = AudioTrack(
        input_index=0,
        stream_index=0,
        codec="aac",
        channels=2,
        sample_rate=48000,
        loudness_lufs=house.loudness_lufs,
    )
    return SourceFacts(
        picture=picture, sound=heard if sound else None, duration_seconds=None, live=True, container="flv"
    )
