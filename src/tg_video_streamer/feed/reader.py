"""Reads one ffmpeg child's Matroska from a pipe, in a thread, and puts its packets on the item's own time."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import av
import av.error
import structlog

from tg_video_streamer.errors import EncoderFailed, FeedError, ForeignHeaders, OffGrid
from tg_video_streamer.feed.buffer import Buffer, BufferClosed
from tg_video_streamer.feed.passthrough import HouseRules
from tg_video_streamer.media import FRAME_TICKS, PACKET_TICKS, TICKS_PER_SECOND, CodecHeaders, Kind, Packet, seconds

_log = structlog.get_logger(__name__)

_SMALL_PROBE = {"probesize": "32", "analyzeduration": "0", "protocol_whitelist": "pipe"}

_SOUND_AHEAD_TICKS = round(0.4 * TICKS_PER_SECOND)
"""Sound further ahead of the picture waits for it: where no picture comes, it belongs to none."""
_SOUND_ALONE_PACKETS = 1500
"""Half a minute of sound without a picture: the picture is over."""
_SOUND_OVER_TICKS = round(1.5 * TICKS_PER_SECOND)
"""ffmpeg keeps its two streams closer together than this while both go on."""


class Reader:
    """One child's packets; `start` runs it in a thread of its own, which ends with the pipe.

    Frame n of this stretch is put at `start_ticks + n * FRAME_TICKS`, exactly: the container's times are milliseconds and
    are only checked. Sound before `sound_from_ticks` is already there from an earlier stretch and is dropped.
    """

    def __init__(
        self,
        descriptor: int,
        buffer: Buffer,
        *,
        headers: CodecHeaders | None,
        start_ticks: int,
        sound_from_ticks: int | None,
        ends_with_sound: bool,
        monotonic: Callable[[], float],
        keep: Callable[[Packet], None],
        finished: Callable[[], None],
        rules: HouseRules | None = None,
    ) -> None:
        """Owns `descriptor` and closes it. `headers` None: whatever the child sends is accepted.

        `ends_with_sound`: the picture has no end of its own; it is over where the sound has been over for a while.
        `rules` judge what comes from a child that does not encode. `keep` gets each packet that was put. `finished` is called in the thread as its last act.
        """
        self._descriptor = descriptor
        self._buffer = buffer
        self._wanted = headers
        self._start_ticks = start_ticks
        self._sound_from = sound_from_ticks
        self._ends_with_sound = ends_with_sound
        self._monotonic = monotonic
        self._keep = keep
        self._finished = finished
        self._rules = rules
        self._thread = threading.Thread(target=self._run, name="feed-reader", daemon=True)
        self._base: int | None = None
        self._read_frames = 0
        self._ahead: deque[Packet] = deque()
        self._waiting_for_room = False
        self._last_progress = monotonic()
        self._at_end = False
        self.frames = 0
        """Video packets handed on."""
        self.sound_end_ticks = sound_from_ticks
        """The item's own time at which the sound that was handed on ends; None: there was none."""
        self.ended_by_sound = False
        """It stopped reading because the sound was over."""
        self.error: FeedError | None = None
        """Why it stopped reading before the end of the pipe."""
        self.headers: CodecHeaders | None = None

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def started(self) -> bool:
        """Whether `start` was called: from then on the thread closes the descriptor."""
        return self._thread.ident is not None

    def join(self) -> None:
        """Wait for the thread: after the child was killed or the buffer was closed it ends at once."""
        self._thread.join()

    @property
    def reached_end(self) -> bool:
        """It has read to the end of the pipe."""
        return self._at_end

    @property
    def silent_seconds(self) -> float:
        """How long the child has said nothing; 0 while it is the buffer that has no room."""
        return 0.0 if self._waiting_for_room else self._monotonic() - self._last_progress

    def _run(self) -> None:
        try:
            with av.open(f"pipe:{self._descriptor}", format="matroska", options=_SMALL_PROBE) as container:
                self._read(container)
                self._hand_on(self._rules.rest() if self._rules is not None else [])
                self._at_end = not self.ended_by_sound
        except FeedError as error:
            self.error = error
        except BufferClosed:
            self.error = None
        except (av.error.FFmpegError, OSError):
            # A child that was killed or could not open its input leaves half a file: its exit code tells more.
            self._at_end = True
        except Exception as error:  # noqa: BLE001 - a thread has no caller: a defect of ours must end the try, loudly
            _log.exception("the reader of a feed failed")
            self.error = FeedError(f"the reader of the feed failed: {type(error).__name__}")
        finally:
            os.close(self._descriptor)
            self._finished()

    def _read(self, container: Any) -> None:
        for packet in container.demux():
            if not packet.size:
                continue
            self._last_progress = self._monotonic()
            if packet.pts is None:
                raise OffGrid("the encoder gave a packet without a time")
            ticks = round(packet.pts * packet.time_base * TICKS_PER_SECOND)
            if packet.stream.type == "video":
                # Without a picture there is nothing to compare: its encoder was opened for nothing.
                if self.headers is None:
                    self._check_headers(container)
                if self._sound_is_over():
                    self.ended_by_sound = True
                    return
                self._take_picture(packet, ticks)
            else:
                self._take_sound(packet, ticks)

    def _sound_is_over(self) -> bool:
        if not self._ends_with_sound or self.sound_end_ticks is None:
            return False
        return self._start_ticks + self._read_frames * FRAME_TICKS - self.sound_end_ticks > _SOUND_OVER_TICKS

    def _check_headers(self, container: Any) -> None:
        video = bytes(container.streams.video[0].codec_context.extradata or b"")
        audio = b"".join(bytes(stream.codec_context.extradata or b"") for stream in container.streams.audio[:1])
        self.headers = CodecHeaders(video=video, audio=audio)
        if self._wanted is not None and self.headers != self._wanted:
            what = "picture" if video != self._wanted.video else "sound"
            raise ForeignHeaders(f"the encoder gave the {what} other codec headers than the program has")

    def _take_picture(self, packet: Any, ticks: int) -> None:
        if self._base is None:
            self._base = ticks
        slot = self._read_frames * FRAME_TICKS
        if abs(ticks - self._base - slot) > FRAME_TICKS // 2:
            stands = seconds(self._start_ticks + ticks - self._base)
            raise OffGrid(
                f"frame {self._read_frames} of this stretch stands at {stands:.3f} s, off its place in the grid"
            )
        self._put(
            Packet(
                kind=Kind.VIDEO, ticks=self._start_ticks + slot, keyframe=bool(packet.is_keyframe), data=bytes(packet)
            )
        )
        self._read_frames += 1
        if self._read_frames == 1:
            # What came before the first picture gets its place from it.
            waiting, self._ahead = self._ahead, deque()
            for one in waiting:
                self._put_sound(one.data, one.ticks)
        end = self._start_ticks + self._read_frames * FRAME_TICKS
        while self._ahead and self._ahead[0].ticks <= end + _SOUND_AHEAD_TICKS:
            self._put(self._ahead.popleft())

    def _take_sound(self, packet: Any, ticks: int) -> None:
        if self._base is None:
            self._ahead.append(Packet(kind=Kind.AUDIO, ticks=ticks, keyframe=True, data=bytes(packet)))
        else:
            self._put_sound(bytes(packet), ticks)
        if len(self._ahead) > _SOUND_ALONE_PACKETS:
            raise EncoderFailed("the picture ended while the sound went on", remedy="it is tried again")

    def _put_sound(self, data: bytes, ticks: int) -> None:
        assert self._base is not None  # noqa: S101 - sound is kept until the first picture came
        own = self._start_ticks + ticks - self._base
        if self._sound_from is not None and own < self._sound_from - PACKET_TICKS // 2:
            return
        packet = Packet(kind=Kind.AUDIO, ticks=own, keyframe=True, data=data)
        end = self._start_ticks + self._read_frames * FRAME_TICKS
        if self._ahead or own > end + _SOUND_AHEAD_TICKS:
            self._ahead.append(packet)
        else:
            self._put(packet)

    def _put(self, packet: Packet) -> None:
        self._hand_on([packet] if self._rules is None else self._rules.take(packet))

    def _hand_on(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            self._waiting_for_room = True
            try:
                self._buffer.put(packet)
            finally:
                self._last_progress = self._monotonic()
                self._waiting_for_room = False
            self._keep(packet)
            if packet.kind is Kind.VIDEO:
                self.frames += 1
            else:
                self.sound_end_ticks = packet.ticks + PACKET_TICKS
