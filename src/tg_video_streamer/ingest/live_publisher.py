"""One publisher: splits its stream into runs of the encoder and measures its bitrate."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.ingest.encoder import LiveEncoder
from tg_video_streamer.ingest.media import Announced, MediaPart, announced, part_of
from tg_video_streamer.rtmp.chunks import MessageKind, RtmpMessage
from tg_video_streamer.rtmp.flv import AUDIO, FILE_HEADER, SILENT_FILE_HEADER, VIDEO, file_tag

log = structlog.get_logger(__name__)

_JUMP_MILLISECONDS = 10_000
"""Timestamps that jump further ahead than this, or back, start a new run: an encoder would fill the gap with one picture."""
_BACK_MILLISECONDS = 1_000
_CLOCK = 1 << 32
_RATE_SECONDS = 5.0
_PAUSES = Backoff(first=0.5, longest=15.0)
"""Between failing encoders; each starts at the next keyframe."""

StartEncoder = Callable[[Announced, bool], LiveEncoder]
"""Starts an encoder for the announced picture, with or without sound."""


class LivePublisher:
    """Belongs to the event loop. A run starts with a keyframe; changed headers or a jump in time start a new one."""

    def __init__(self, *, peer_class: str, clock: Clock, start: StartEncoder, close: Callable[[], None]) -> None:
        """`peer_class`: where the publisher is, for people. `close` ends its connection."""
        self.peer_class = peer_class
        self.since_wall = clock.wall()
        self.announced = Announced()
        self.ignored = False
        """Its stream is discarded."""
        self._clock = clock
        self._start = start
        self._encoder: LiveEncoder | None = None
        self._headers: dict[MediaPart, bytes] = {}
        self._base = 0
        self._last: int | None = None
        self._failures = 0
        self._not_before = 0.0
        self.taken = True
        """It may go on air."""
        self._sizes: deque[tuple[float, int]] = deque()
        self._close = close
        self._draining = False
        self.media_at = clock.monotonic()
        """When media last came; after a wait for the encoder, when that was over: that silence was not the publisher's."""
        self.replaced = False
        """Another publisher has its place."""

    @property
    def silent_seconds(self) -> float:
        """For how long it has sent no media."""
        return 0.0 if self._draining else self._clock.monotonic() - self.media_at

    @property
    def bits_per_second(self) -> float:
        """Received over the last seconds."""
        self._forget()
        if not self._sizes:
            return 0.0
        return sum(size for _, size in self._sizes) * 8 / max(self._clock.monotonic() - self._sizes[0][0], 1.0)

    def take(self, message: RtmpMessage) -> bool:
        """Take one message; whether it was media. Raises MalformedMessage, and PublisherRefused for an unsupported codec."""
        if message.kind == MessageKind.DATA:
            self.announced = announced(message.payload) or self.announced
            return False
        part = part_of(message)
        if part is MediaPart.NOTHING:
            return False
        self._count(len(message.payload))
        if self.ignored:
            return True
        if part in {MediaPart.PICTURE_HEADER, MediaPart.SOUND_HEADER}:
            if self._headers.get(part) != message.payload:
                self._headers[part] = message.payload
                self._end_run()
            return True
        if self._jumps(message.milliseconds):
            log.info("the timestamps of the live stream jump: it starts again with its next keyframe")
            self._end_run()
        self._last = message.milliseconds
        if part is MediaPart.KEYFRAME:
            self._begin_run(message.milliseconds)
        self._write(message)
        return True

    async def drain(self) -> None:
        """Media came: wait until the encoder has taken most of it."""
        self._draining = True
        try:
            if self._encoder is not None:
                await self._encoder.drain()
        finally:
            self._draining = False
            self.media_at = self._clock.monotonic()

    def give_place(self) -> None:
        """Another publisher takes its place: its connection ends, and what it sent plays to its end."""
        self.replaced = True
        self._end_run()
        self._close()

    def ignore(self) -> None:
        """Discard its stream from now on."""
        self.ignored = True
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None

    def end(self) -> None:
        """The publisher is gone; what it sent plays to its end."""
        self._end_run()

    def _end_run(self) -> None:
        if self._encoder is not None:
            self._encoder.finish()
            self._encoder = None
            self._last = None

    def _begin_run(self, milliseconds: int) -> None:
        """Start an encoder at a keyframe where none runs, unless the last one failed just now."""
        picture, sound = self._headers.get(MediaPart.PICTURE_HEADER), self._headers.get(MediaPart.SOUND_HEADER)
        now = self._clock.monotonic()
        if self._encoder is not None and self._encoder.over:
            self._failures += 1
            self._not_before = now + _PAUSES.pause(self._failures)
            log.warning("the encoder of the live stream ended", error=str(self._encoder.error), tries=self._failures)
            self._encoder = None
        if self._encoder is not None or picture is None or now < self._not_before:
            return
        self._base = milliseconds
        self._encoder = self._start(self.announced, sound is not None)
        self._encoder.write(FILE_HEADER if sound is not None else SILENT_FILE_HEADER)
        self._encoder.write(file_tag(VIDEO, 0, b"", picture))
        if sound is not None:
            self._encoder.write(file_tag(AUDIO, 0, b"", sound))

    def _write(self, message: RtmpMessage) -> None:
        own = _difference(message.milliseconds, self._base)
        # Sound before the first keyframe of the run has no picture.
        if self._encoder is not None and own >= 0:
            self._encoder.write(file_tag(message.kind, own, b"", message.payload))

    def _jumps(self, milliseconds: int) -> bool:
        if self._last is None:
            return False
        step = _difference(milliseconds, self._last)
        return not -_BACK_MILLISECONDS <= step <= _JUMP_MILLISECONDS

    def _count(self, size: int) -> None:
        self._sizes.append((self._clock.monotonic(), size))
        self._forget()

    def _forget(self) -> None:
        horizon = self._clock.monotonic() - _RATE_SECONDS
        while self._sizes and self._sizes[0][0] < horizon:
            self._sizes.popleft()


def _difference(milliseconds: int, earlier: int) -> int:
    """The difference of two RTMP timestamps, which wrap after 49 days."""
    return (milliseconds - earlier + _CLOCK // 2) % _CLOCK - _CLOCK // 2
