"""The buffer is bounded, never blocks its consumer, and can grow or slide."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stands.house import FRAME_TICKS, RATE
from stands.waiting import wait_until
from tg_video_streamer.feed.buffer import Buffer, BufferClosed
from tg_video_streamer.media import Kind, Packet


def frame(number: int, *, every: int = 10) -> Packet:
    """A picture of ten bytes, each `every`-th a keyframe."""
    return Packet(kind=Kind.VIDEO, ticks=number * FRAME_TICKS, keyframe=number % every == 0, data=b"0123456789")


def filler(buffer: Buffer, count: int) -> threading.Thread:
    """A thread that puts `count` frames, or ends when the buffer is closed."""

    def put() -> None:
        try:
            for number in range(count):
                buffer.put(frame(number))
        except BufferClosed:
            return

    thread = threading.Thread(target=put)
    thread.start()
    return thread


def test_put_waits_for_room_and_for_a_larger_limit() -> None:
    """A reader waits while the buffer is full, and continues when frames are taken or the limit grows."""
    buffer = Buffer(RATE, limit_seconds=1.0)
    thread = filler(buffer, 100)
    wait_until(lambda: buffer.seconds == pytest.approx(1.0), what="a full buffer")
    assert thread.is_alive()
    buffer.pop()
    wait_until(lambda: buffer.frames_put == 26, what="one more frame")
    buffer.limit_seconds = 10.0
    thread.join(10)
    assert buffer.frames_put == 100
    assert buffer.taken_ticks == FRAME_TICKS


def test_bytes_are_bounded() -> None:
    """Huge frames fill the buffer before its seconds do."""
    buffer = Buffer(RATE, limit_seconds=100.0, limit_bytes=50)
    thread = filler(buffer, 100)
    wait_until(lambda: buffer.size == 50, what="a buffer full of bytes")
    buffer.close()
    thread.join(10)
    assert not thread.is_alive()


def test_sliding_buffer_holds_the_latest_from_a_keyframe() -> None:
    """A live source that waits to go on air never blocks: the oldest group of pictures is dropped."""
    buffer = Buffer(RATE, limit_seconds=2.0)
    buffer.sliding = True
    filler(buffer, 1000).join(10)
    head = buffer.head()
    assert head is not None
    assert head.keyframe
    assert head.ticks == 940 * FRAME_TICKS
    assert buffer.seconds == pytest.approx(2.4)


@given(limit_frames=st.integers(1, 120), gop_frames=st.integers(1, 60))
def test_sliding_buffer_once_full_stays_full(limit_frames: int, gop_frames: int) -> None:
    """At no moment does a waiting live source hold less than its limit again, nor more than a group of pictures above."""
    buffer = Buffer(RATE, limit_seconds=limit_frames / 25)
    buffer.sliding = True
    held = []
    for number in range(limit_frames + 3 * gop_frames):
        buffer.put(frame(number, every=gop_frames))
        held.append(round(buffer.seconds * 25))
    assert min(held[limit_frames - 1 :]) == limit_frames
    assert max(held) <= limit_frames + gop_frames


def test_sliding_buffer_is_bounded_by_bytes() -> None:
    """Huge pictures push out the oldest group before the limit in seconds is reached."""
    buffer = Buffer(RATE, limit_seconds=100.0, limit_bytes=250)
    buffer.sliding = True
    for number in range(95):
        buffer.put(frame(number))
    assert buffer.size <= 250
    head = buffer.head()
    assert head is not None
    assert (head.keyframe, buffer.frames_put) == (True, 95)
