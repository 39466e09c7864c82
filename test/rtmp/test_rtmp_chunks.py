"""Chunks: any message, at any time, cut anywhere, is put together as it was."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tg_video_streamer.errors import MalformedMessage
from tg_video_streamer.rtmp.chunks import ChunkReader, ChunkWriter, MessageKind, RtmpMessage

_messages = st.builds(
    RtmpMessage,
    kind=st.sampled_from([MessageKind.AUDIO, MessageKind.VIDEO, MessageKind.DATA, MessageKind.COMMAND]),
    payload=st.binary(max_size=700),
    # Around the two places where the timestamp's form changes: 2^24 and 2^31.
    milliseconds=st.one_of(
        st.integers(0, 2**32 - 1), st.integers(2**24 - 3, 2**24 + 3), st.integers(2**31 - 3, 2**31 + 3)
    ),
    stream=st.integers(0, 2**32 - 1),
)


@given(st.lists(st.tuples(st.integers(3, 63), _messages), max_size=6), st.integers(1, 300), st.data())
def test_messages_survive_any_split(sent: list[tuple[int, RtmpMessage]], size: int, data: st.DataObject) -> None:
    """Messages come out whole and in order, whatever the chunk size and wherever the bytes are cut."""
    writer, reader = ChunkWriter(), ChunkReader()
    stream = writer.message(2, RtmpMessage(kind=MessageKind.SET_CHUNK_SIZE, payload=struct.pack(">I", size)))
    writer.chunk_size = size
    stream += b"".join(writer.message(chunk_stream, message) for chunk_stream, message in sent)
    got: list[RtmpMessage] = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        got += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert got == [message for _, message in sent]


@given(st.binary(max_size=200), st.binary(max_size=400), st.integers(130, 500))
def test_media_written_without_copies_is_the_same(head: bytes, data: bytes, size: int) -> None:
    """The cheap way gives the very bytes of the plain one."""
    writer = ChunkWriter()
    writer.chunk_size = size
    parts: list[bytes] = []
    writer.add(parts, 6, MessageKind.VIDEO, 2**24, 1, head, data)
    whole = RtmpMessage(kind=MessageKind.VIDEO, payload=head + data, milliseconds=2**24, stream=1)
    assert b"".join(parts) == writer.message(6, whole)


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_any_bytes_are_messages_or_malformed(data: bytes, step: int) -> None:
    """Random bytes in random pieces are read or refused with MalformedMessage, nothing else."""
    reader = ChunkReader(limit_bytes=10_000)
    with contextlib.suppress(MalformedMessage):
        for start in range(0, len(data), step):
            reader.feed(data[start : start + step])


def test_short_headers_take_what_they_leave_out_from_before() -> None:
    """Types 1, 2 and 3 keep the stream, the length and the time step of the message before."""
    reader = ChunkReader()
    first = b"\x04\0\0\x64\0\0\x02\x08\x01\0\0\0" + b"ab"
    second = b"\x44\0\0\x0a\0\0\x01\x09" + b"c"
    third = b"\x84\0\0\x05" + b"d"
    fourth = b"\xc4" + b"e"
    times = [
        (one.milliseconds, one.kind, one.stream, one.payload) for one in reader.feed(first + second + third + fourth)
    ]
    assert times == [(100, 8, 1, b"ab"), (110, 9, 1, b"c"), (115, 9, 1, b"d"), (120, 9, 1, b"e")]


def test_chunk_stream_ids_of_all_three_lengths() -> None:
    """Chunk stream ids take one to three bytes; messages on them do not mix."""
    reader = ChunkReader()
    header = b"\0\0\0\0\0\x01\x08\0\0\0\0"
    data = b"\x05" + header + b"a" + b"\x00\x0a" + header + b"b" + b"\x01\x0a\x01" + header + b"c"
    assert [one.payload for one in reader.feed(data)] == [b"a", b"b", b"c"]


def test_abort_forgets_an_unfinished_message() -> None:
    """After Abort the chunk stream starts over."""
    writer, reader = ChunkWriter(), ChunkReader()
    half = writer.message(5, RtmpMessage(kind=MessageKind.DATA, payload=bytes(200)))[: 12 + 128]
    abort = writer.message(2, RtmpMessage(kind=MessageKind.ABORT, payload=struct.pack(">I", 5)))
    whole = RtmpMessage(kind=MessageKind.DATA, payload=b"whole")
    assert reader.feed(half + abort + writer.message(5, whole)) == [whole]


def test_memory_is_bounded() -> None:
    """A peer that begins messages and never ends them is refused at the limit."""
    started = [bytes([chunk_stream]) + b"\0\0\0\0\x03\x00\x08\0\0\0\0" + bytes(128) for chunk_stream in range(3, 60)]
    with pytest.raises(MalformedMessage, match="larger"):
        ChunkReader(limit_bytes=1000).feed(b"".join(started))
    with pytest.raises(MalformedMessage, match="larger"):
        ChunkReader(limit_bytes=1000).feed(b"\x03\0\0\0\xff\xff\xff\x08\0\0\0\0")
