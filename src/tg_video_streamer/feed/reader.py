"""Reads one ffmpeg child's Matroska from a pipe and puts its packets on the item's own time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import av
import av.error

from tg_video_streamer.errors import EncoderFailed, ForeignHeaders, OffGrid, PictureStands
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.feed.passthrough import HouseRules
from tg_video_streamer.feed.reader_thread import ReaderThread
from tg_video_streamer.feed.sound_gaps import SoundGaps
from tg_video_streamer.media import PACKET_TICKS, TICKS_PER_SECOND, CodecHeaders, FrameRate, Kind, Packet, seconds
from tg_video_streamer.sound_times import SoundTimes

_SMALL_PROBE = {"probesize": "32", "analyzeduration": "0", "protocol_whitelist": "pipe"}

_SOUND_AHEAD_TICKS = round(0.4 * TICKS_PER_SECOND)
"""Sound further ahead of the picture waits for the picture."""
_SOUND_ALONE_PACKETS = 1500
"""Half a minute of sound without a picture."""
_PATIENCE = 20
"""By how much more sound may come before a picture that has an input of its own."""
_HELD_PICTURES = 1500
"""A minute of a picture without an end, and no sound for it."""
_SOUND_OVER_TICKS = round(1.5 * TICKS_PER_SECOND)
"""While both streams last, ffmpeg interleaves them more closely than this."""


class Reader(ReaderThread):
    """One child's packets.

    Frame n is exactly n frames of the house rate after `start_ticks`: the container's times are in milliseconds and are only
    checked. Sound keeps its own time, and silence fills its gaps. Sound before `sound_from_ticks` was already played by an
    earlier attempt and is dropped.
    """

    def __init__(
        self,
        descriptor: int,
        buffer: Buffer,
        *,
        headers: CodecHeaders | None,
        rate: FrameRate,
        start_ticks: int,
        sound_from_ticks: int | None,
        ends_with_sound: bool,
        monotonic: Callable[[], float],
        on_packet: Callable[[Packet], None],
        rules: HouseRules | None = None,
        picture_apart: bool = False,
        require_source: Callable[[], None] = lambda: None,
    ) -> None:
        """Closes `descriptor` at its end. `headers` None: any headers are accepted.

        `ends_with_sound`: the picture has no end and stops some time after the sound. `rules` check the output of a child
        that does not encode. `on_packet` gets each packet that was put into the buffer.
        `picture_apart`: the picture has an input of its own, so either stream may come far ahead of the other.
        `require_source` is called before each packet is used, and raises FeedError where its source is not what it was.
        """
        super().__init__(buffer, name="feed-reader")
        self._descriptor = descriptor
        self._wanted = headers
        self._frame_ticks = rate.frame_ticks
        self._start_ticks = start_ticks
        self._sound_from = sound_from_ticks
        self._ends_with_sound = ends_with_sound
        self._monotonic = monotonic
        self._on_packet = on_packet
        self._rules = rules
        self._picture_apart = picture_apart
        self._require_source = require_source
        self._sound_times = SoundTimes()
        self._gaps = SoundGaps(start_ticks if sound_from_ticks is None else sound_from_ticks)
        self._base: int | None = None
        self._read_frames = 0
        self._ahead: deque[Packet] = deque()
        self._held: deque[Packet] = deque()
        self._buffer_is_full = False
        self._last_progress = monotonic()
        self._at_end = False
        self.began = False
        """There was a packet."""
        self.sound_end_ticks = sound_from_ticks
        self.ended_by_sound = False
        """It stopped because the sound had ended."""
        self.headers: CodecHeaders | None = None

    @property
    def reached_end(self) -> bool:
        """Whether it has read to the end of the pipe."""
        return self._at_end

    @property
    def silent_seconds(self) -> float:
        """How long the child has given nothing; 0 while the buffer is full."""
        return 0.0 if self._buffer_is_full else self._monotonic() - self._last_progress

    def _read_all(self) -> None:
        try:
            with av.open(f"pipe:{self._descriptor}", format="matroska", options=_SMALL_PROBE) as container:
                self._read(container)
                self._put_rest()
                self._at_end = not self.ended_by_sound
        except (av.error.FFmpegError, OSError):
            # A child that was killed or could not open its input leaves half a file: its exit code says more.
            self._at_end = True
        finally:
            os.close(self._descriptor)

    def _read(self, container: Any) -> None:
        for packet in container.demux():
            if not packet.size:
                continue
            self._last_progress = self._monotonic()
            self.began = True
            self._require_source()
            if packet.pts is None:
                raise OffGrid.of("feed.no_timestamp")
            ticks = round(packet.pts * packet.time_base * TICKS_PER_SECOND)
            if packet.stream.type == "video":
                # Checked at the first picture: a child without one has no headers to compare.
                if self.headers is None:
                    self._check_headers(container)
                if self._sound_is_over():
                    self.ended_by_sound = True
                    return
                self._take_picture(packet, ticks)
            else:
                self._take_sound(packet, self._sound_times.exact(ticks))

    def _put_rest(self) -> None:
        if self._rules is not None:
            self._put_all(self._rules.rest())
        elif not self._ends_with_sound:
            while self._held:
                self._put_silent(self._held.popleft())
            self._put_all(self._gaps.rest(self._picture_end))

    @property
    def _picture_end(self) -> int:
        """The item's own time of the next picture."""
        return self._start_ticks + self._read_frames * self._frame_ticks

    def _sound_is_over(self) -> bool:
        if not self._ends_with_sound or self.sound_end_ticks is None:
            return False
        return self._picture_end - self.sound_end_ticks > _SOUND_OVER_TICKS

    def _check_headers(self, container: Any) -> None:
        video = bytes(container.streams.video[0].codec_context.extradata or b"")
        audio = b"".join(bytes(stream.codec_context.extradata or b"") for stream in container.streams.audio[:1])
        self.headers = CodecHeaders(video=video, audio=audio)
        if self._wanted is not None and self.headers != self._wanted:
            raise ForeignHeaders.of("feed.picture_headers" if video != self._wanted.video else "feed.sound_headers")

    def _take_picture(self, packet: Any, ticks: int) -> None:
        if self._base is None:
            self._base = ticks
        slot = self._read_frames * self._frame_ticks
        if abs(ticks - self._base - slot) > self._frame_ticks // 2:
            at_seconds = seconds(self._start_ticks + ticks - self._base)
            raise OffGrid.of("feed.off_grid", frame=self._read_frames, seconds=at_seconds)
        self._put_picture(
            Packet(
                kind=Kind.VIDEO, ticks=self._start_ticks + slot, keyframe=bool(packet.is_keyframe), data=bytes(packet)
            )
        )
        self._read_frames += 1
        if self._read_frames == 1:
            # Sound from before the first picture gets its time from it.
            waiting, self._ahead = self._ahead, deque()
            for one in waiting:
                self._put_sound(one.data, one.ticks)
        while self._ahead and self._ahead[0].ticks <= self._picture_end + _SOUND_AHEAD_TICKS:
            self._put(self._ahead.popleft())
        if self._rules is None and not (self._ends_with_sound or self._picture_apart):
            self._put_all(self._gaps.picture(self._picture_end))

    def _take_sound(self, packet: Any, ticks: int) -> None:
        if self._base is None:
            self._ahead.append(Packet(kind=Kind.AUDIO, ticks=ticks, keyframe=True, data=bytes(packet)))
        else:
            self._put_sound(bytes(packet), ticks)
        if len(self._ahead) > _SOUND_ALONE_PACKETS * (_PATIENCE if self._picture_apart else 1):
            raise PictureStands.of("feed.picture_ended")

    def _put_sound(self, data: bytes, ticks: int) -> None:
        assert self._base is not None  # noqa: S101 - sound waits for the first picture
        own = self._start_ticks + ticks - self._base
        if self._sound_from is not None and own < self._sound_from - PACKET_TICKS // 2:
            return
        if self._rules is not None:
            row = [Packet(kind=Kind.AUDIO, ticks=own, keyframe=True, data=data)]
        else:
            row = self._gaps.sound(own, data)
        for packet in row:
            self._release_held(packet.ticks + PACKET_TICKS)
            if self._ahead or packet.ticks > self._picture_end + _SOUND_AHEAD_TICKS:
                self._ahead.append(packet)
            else:
                self._put(packet)

    def _put_picture(self, packet: Packet) -> None:
        """A picture without an end is shown as long as there is sound: it waits for the sound of its time.

        So does one with an input of its own, until the sound must have ended.
        """
        if not (self._ends_with_sound or self._picture_apart):
            self._put(packet)
            return
        self._held.append(packet)
        self._release_held(self.sound_end_ticks)
        if len(self._held) > _HELD_PICTURES:
            if self._ends_with_sound:
                raise EncoderFailed.of("feed.sound_not_decoded")
            self._put_silent(self._held.popleft())

    def _put_silent(self, picture: Packet) -> None:
        self._put(picture)
        self._put_all(self._gaps.fill(picture.ticks + self._frame_ticks))

    def _release_held(self, until_ticks: int | None) -> None:
        while until_ticks is not None and self._held and self._held[0].ticks < until_ticks:
            self._put(self._held.popleft())

    def _put(self, packet: Packet) -> None:
        self._put_all([packet] if self._rules is None else self._rules.take(packet))

    def _put_all(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            self._buffer_is_full = True
            try:
                self._buffer.put(packet)
            finally:
                self._last_progress = self._monotonic()
                self._buffer_is_full = False
            self._on_packet(packet)
            if packet.kind is Kind.VIDEO:
                self.frames += 1
            else:
                self.sound_end_ticks = packet.ticks + PACKET_TICKS
