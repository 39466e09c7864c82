"""RTMP messages as chunks and back (Adobe, "RTMP specification 1.0", §5.3); pure, for either end of a connection."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum

from tg_video_streamer.errors import MalformedMessage

INITIAL_CHUNK_SIZE = 128
_EXTENDED = 0xFFFFFF
"""This in the 3-byte timestamp means: the real one follows in 4 bytes, also in every continuing chunk."""
_LARGEST_CHUNK = 0xFFFFFF


class MessageKind(IntEnum):
    """Message type ids (§5.4 and §7.1); others exist and are of no use here."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_SIZE = 5
    PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    COMMAND_AMF3 = 17
    DATA = 18
    COMMAND = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class RtmpMessage:
    """One whole RTMP message; `kind` is a MessageKind or an id that is not known here."""

    kind: int
    payload: bytes
    milliseconds: int = 0
    stream: int = 0


class ChunkWriter:
    """Cuts messages into chunks; every message has a full header, so that none depends on another."""

    def __init__(self) -> None:
        self.chunk_size = INITIAL_CHUNK_SIZE
        """Set it after a Set Chunk Size message was written."""

    def message(self, chunk_stream: int, message: RtmpMessage) -> bytes:
        """The bytes of `message` on `chunk_stream` (2 to 63)."""
        parts: list[bytes] = []
        self.add(parts, chunk_stream, message.kind, message.milliseconds, message.stream, b"", message.payload)
        return b"".join(parts)

    def add(
        self, parts: list[bytes], chunk_stream: int, kind: int, milliseconds: int, stream: int, head: bytes, data: bytes
    ) -> None:
        """Append the pieces of a message whose payload is `head` + `data` to `parts`, without copying `data`.

        The cheap way for media: pieces of many messages are joined once and leave in one write.
        """
        if len(head) > self.chunk_size:
            head, data = b"", head + data
        size = len(head) + len(data)
        time24 = min(milliseconds, _EXTENDED)
        tail = struct.pack(">I", milliseconds & 0xFFFFFFFF) if time24 == _EXTENDED else b""
        first = struct.pack(
            ">BBHBHBI", chunk_stream, time24 >> 16, time24 & 0xFFFF, size >> 16, size & 0xFFFF, kind, _swap(stream)
        )
        parts.append(first + tail + head)
        if size <= self.chunk_size:
            parts.append(data)
            return
        start = self.chunk_size - len(head)
        parts.append(data[:start])
        again = bytes([0xC0 | chunk_stream]) + tail
        for position in range(start, len(data), self.chunk_size):
            parts += (again, data[position : position + self.chunk_size])


def _swap(stream: int) -> int:
    """The message stream id is the only little-endian number in RTMP."""
    return int.from_bytes(stream.to_bytes(4, "little"), "big")


@dataclass(slots=True)
class _ChunkStream:
    """What the header of the next chunk of this chunk stream may leave out."""

    milliseconds: int = 0
    delta: int = 0
    length: int = 0
    kind: int = 0
    stream: int = 0
    extended: bool = False
    started: bool = False
    payload: bytearray = field(default_factory=bytearray)


class ChunkReader:
    """Puts messages together from bytes that come in any pieces; obeys Set Chunk Size and Abort itself."""

    def __init__(self, *, limit_bytes: int = 4 * 1024 * 1024, limit_streams: int = 65_600) -> None:
        """Chunk streams beyond `limit_streams` are refused; as a rule all that the protocol has may be used."""
        self.chunk_size = INITIAL_CHUNK_SIZE
        self.limit_bytes = limit_bytes
        """More of unfinished messages is refused, so that no peer can fill the memory."""
        self._limit_streams = limit_streams
        self._data = bytearray()
        self._streams: dict[int, _ChunkStream] = {}
        self._pending = 0

    def feed(self, data: bytes) -> list[RtmpMessage]:
        """The messages that `data` completes, in order. Raises MalformedMessage."""
        self._data += data
        messages: list[RtmpMessage] = []
        position = 0
        while (step := self._chunk(position)) is not None:
            position, message = step
            if message is not None and not self._obeyed(message):
                messages.append(message)
        del self._data[:position]
        return messages

    def _chunk(self, position: int) -> tuple[int, RtmpMessage | None] | None:
        """Read one chunk at `position`: where the next begins and a finished message, or None where bytes are missing."""
        header = self._header(position)
        if header is None:
            return None
        identity, state, position = header
        if state.length > self.limit_bytes:
            raise MalformedMessage("an RTMP message is larger than is reasonable")
        share = min(self.chunk_size, state.length - len(state.payload))
        if len(self._data) - position < share:
            return None
        self._streams[identity] = state
        if not state.started:
            state.started = True
            state.milliseconds = (state.milliseconds + state.delta) & 0xFFFFFFFF
        state.payload += self._data[position : position + share]
        self._pending += share
        if len(state.payload) < state.length:
            if self._pending > self.limit_bytes:
                raise MalformedMessage("unfinished RTMP messages are larger than is reasonable")
            return position + share, None
        message = RtmpMessage(
            kind=state.kind, payload=bytes(state.payload), milliseconds=state.milliseconds, stream=state.stream
        )
        self._pending -= len(state.payload)
        state.payload.clear()
        state.started = False
        return position + share, message

    def _header(self, position: int) -> tuple[int, _ChunkStream, int] | None:
        """Chunk stream id, its state with this header applied, and where the payload begins; None: bytes are missing."""
        data = self._data
        if len(data) <= position:
            return None
        layout, identity = data[position] >> 6, data[position] & 0x3F
        extra = {0: 1, 1: 2}.get(identity, 0)
        start = position + 1 + extra
        size = (11, 7, 3, 0)[layout]
        if len(data) < start + size:
            return None
        if extra:
            identity = 64 + int.from_bytes(data[position + 1 : start], "little")
        known = self._streams.get(identity)
        if known is None and layout:
            raise MalformedMessage(f"the first RTMP chunk of a chunk stream has a short header (type {layout})")
        if known is None and len(self._streams) >= self._limit_streams:
            raise MalformedMessage("more RTMP chunk streams than are reasonable")
        state = known or _ChunkStream()
        if layout < 3 and state.started:
            raise MalformedMessage("a new RTMP message begins before the last one of its chunk stream ended")
        end = start + size
        extended = data[start : start + 3] == b"\xff\xff\xff" if size else state.extended
        if extended and len(data) < end + 4:
            return None
        if size:
            time = int.from_bytes(data[end : end + 4] if extended else data[start : start + 3], "big")
            _apply(state, layout, bytes(data[start:end]), time, extended=extended)
        return identity, state, end + 4 * extended

    def _obeyed(self, message: RtmpMessage) -> bool:
        """Whether it was about the chunks themselves."""
        if message.kind not in {MessageKind.SET_CHUNK_SIZE, MessageKind.ABORT}:
            return False
        if len(message.payload) < 4:
            raise MalformedMessage("an RTMP control message is too short")
        number = int.from_bytes(message.payload[:4], "big")
        if message.kind == MessageKind.ABORT:
            if (state := self._streams.get(number)) is not None:
                self._pending -= len(state.payload)
                state.payload.clear()
                state.started = False
        elif not 1 <= number <= 0x7FFFFFFF:
            raise MalformedMessage("an RTMP chunk size is outside of what the protocol allows")
        else:
            self.chunk_size = min(number, _LARGEST_CHUNK)
        return True


def _apply(state: _ChunkStream, layout: int, header: bytes, time: int, *, extended: bool) -> None:
    """A message header of type 0 (all), 1 (no stream id) or 2 (time only); `time` is a difference except in type 0."""
    state.extended = extended
    if layout == 0:
        state.milliseconds, state.delta = time, 0
        state.stream = int.from_bytes(header[7:11], "little")
    else:
        state.delta = time
    if layout <= 1:
        state.length = int.from_bytes(header[3:6], "big")
        state.kind = header[6]
