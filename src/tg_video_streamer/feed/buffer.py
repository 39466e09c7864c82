"""A feed's queue of packets from its reader thread to the playout, bounded by time and bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from tg_video_streamer.media import FrameRate, Kind, Packet


class BufferClosed(Exception):
    """The consumer has closed the buffer."""


class Buffer:
    """One item's packets in stream order. One thread puts, one takes without blocking, any may query."""

    def __init__(self, rate: FrameRate, *, limit_seconds: float, limit_bytes: int = 64 * 1024 * 1024) -> None:
        """`put` waits while more than `limit_seconds` of pictures or `limit_bytes` are held."""
        self._rate = rate
        self._limit_frames = self._frames_of(limit_seconds)
        self._limit_bytes = limit_bytes
        self._packets: deque[Packet] = deque()
        self._frames = 0
        self._bytes = 0
        self._finished = False
        self._closed = False
        self._changed = threading.Condition()
        self._awaited_space: tuple[int, int] | None = None
        self.sliding = False
        """Instead of waiting for space, `put` drops the oldest GOP: for a live source that is not on air yet.

        Once full it stays full: a GOP is dropped only if the limit is still reached without it.
        """
        self.frames_put = 0
        """Pictures put so far."""
        self.taken_ticks = 0
        """The item's own time up to which pictures were taken."""

    def put(self, packet: Packet) -> None:
        """Append, waiting for space; raises BufferClosed."""
        with self._changed:
            while not self._closed and self._full() and not (self.sliding and self._slide()):
                self._wait_for_space(1, 1)
            self._append(packet)

    def put_group(self, packets: Sequence[Packet]) -> None:
        """Append a whole group of pictures with its sound, waiting for space for all of it; raises BufferClosed.

        Its thread wakes once per group. A limit below two groups is exceeded by up to a second.
        """
        frames = sum(one.kind is Kind.VIDEO for one in packets)
        size = sum(len(one.data) for one in packets)
        with self._changed:
            while not self._closed and not self._has_space(frames, size):
                self._wait_for_space(frames, size)
            for packet in packets:
                self._append(packet)

    def _wait_for_space(self, frames: int, size: int) -> None:
        self._awaited_space = frames, size
        self._changed.wait()
        self._awaited_space = None

    def _append(self, packet: Packet) -> None:
        if self._closed:
            raise BufferClosed
        self._packets.append(packet)
        self._bytes += len(packet.data)
        self._frames += packet.kind is Kind.VIDEO
        self.frames_put += packet.kind is Kind.VIDEO

    def finish(self) -> None:
        """No packet will follow."""
        with self._changed:
            self._finished = True

    def close(self) -> None:
        """Drop everything and release a waiting `put`; the consumer has gone."""
        with self._changed:
            self._closed = True
            self._packets.clear()
            self._frames = self._bytes = 0
            self._changed.notify_all()

    def head(self) -> Packet | None:
        """The next packet, not removed; None if there is none (yet)."""
        with self._changed:
            return self._packets[0] if self._packets else None

    def pop(self) -> Packet:
        """Take the next packet; IndexError if `head` is None."""
        with self._changed:
            packet = self._packets.popleft()
            self._bytes -= len(packet.data)
            if packet.kind is Kind.VIDEO:
                self._frames -= 1
                self.taken_ticks = packet.ticks + self._rate.frame_ticks
            # Waking a thread that finds no space costs more than the packet.
            if self._awaited_space is not None and self._has_space(*self._awaited_space):
                self._changed.notify_all()
            return packet

    def newest_keyframe(self) -> Packet | None:
        """The last keyframe held, left in place; None if there is none."""
        with self._changed:
            held = reversed(self._packets)
            return next((one for one in held if one.keyframe and one.kind is Kind.VIDEO), None)

    def drop_all(self) -> None:
        """Take everything and discard it."""
        with self._changed:
            while self._packets:
                self.pop()

    def drop_to_keyframe(self) -> bool:
        """Drop packets until a keyframe is at the head; False (and empty) if there is none yet."""
        while (head := self.head()) is not None:
            if head.keyframe and head.kind is Kind.VIDEO:
                return True
            self.pop()
        return False

    @property
    def seconds_put(self) -> float:
        """Length of the pictures put so far."""
        return self.frames_put / self._rate

    @property
    def limit_seconds(self) -> float:
        """How much picture is held at most; a larger limit releases a waiting `put`."""
        return self._limit_frames / self._rate

    @limit_seconds.setter
    def limit_seconds(self, limit: float) -> None:
        with self._changed:
            self._limit_frames = self._frames_of(limit)
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether the consumer has gone."""
        return self._closed

    @property
    def seconds(self) -> float:
        """How much picture is held."""
        return self._frames / self._rate

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._bytes

    @property
    def finished(self) -> bool:
        """No packet will follow those that are held."""
        return self._finished

    @property
    def drained(self) -> bool:
        """Finished and empty: the item is over."""
        with self._changed:
            return self._finished and not self._packets

    def _full(self) -> bool:
        return self._frames >= self._limit_frames or self._bytes >= self._limit_bytes

    def _has_space(self, frames: int, size: int) -> bool:
        # With a second left or less a group is always accepted, so that the buffer cannot run dry.
        if self._frames <= min(self._rate, self._limit_frames - 1):
            return True
        return self._frames + frames <= self._limit_frames and self._bytes + size <= self._limit_bytes

    def _slide(self) -> bool:
        """Drop the oldest GOP if the rest is enough; False if nothing can be dropped and the bytes are full."""
        keyframes = (at for at, one in enumerate(self._packets) if one.keyframe and one.kind is Kind.VIDEO)
        second = next((at for at in keyframes if at > 0), None)
        too_large = self._bytes >= self._limit_bytes
        if second is None:
            return not too_large
        frames = sum(one.kind is Kind.VIDEO for one in islice(self._packets, second))
        if too_large or self._frames - frames >= self._limit_frames:
            for _ in range(second):
                self._bytes -= len(self._packets.popleft().data)
            self._frames -= frames
        return True

    def _frames_of(self, limit_seconds: float) -> int:
        return max(1, round(limit_seconds * self._rate))
