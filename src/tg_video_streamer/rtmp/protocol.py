"""What both ends of an RTMP connection do after the handshake: chunks in and out, acknowledgements, pings; sans I/O."""

from __future__ import annotations

import struct

from tg_video_streamer.errors import MalformedMessage
from tg_video_streamer.rtmp.acknowledgement import WINDOW_BYTES
from tg_video_streamer.rtmp.chunks import ChunkReader, ChunkWriter, MessageKind, RtmpMessage

CHUNK_SIZE = 60_000
"""Ours: most packets fit into one chunk, and it is below the 65,536 that some servers allow."""
_CONTROL = 2
"""The chunk stream of protocol control messages (§5.4)."""
_PING_REQUEST, _PING_RESPONSE = 6, 7


class RtmpProtocol:
    """Bytes from the peer go into `receive`, bytes for it come out of `outgoing`; control messages are answered here."""

    def __init__(self, reader: ChunkReader | None = None) -> None:
        """`reader`: one with other limits than the usual."""
        self.reader = reader or ChunkReader()
        self.writer = ChunkWriter()
        self._outgoing = bytearray()
        self._received = 0
        self._acknowledged = 0
        self._window = 0
        self._announced = 0
        self.acknowledgements = 0
        """How often the peer has said how much it has received."""

    def receive(self, data: bytes) -> list[RtmpMessage]:
        """The messages that are not about the connection itself. Raises MalformedMessage."""
        self._received += len(data)
        messages = [message for message in self.reader.feed(data) if not self._controlled(message)]
        if self._window and self._received - self._acknowledged >= self._window:
            self._acknowledged = self._received
            self._control(MessageKind.ACKNOWLEDGEMENT, struct.pack(">I", self._received & 0xFFFFFFFF))
        return messages

    def send(self, chunk_stream: int, message: RtmpMessage) -> None:
        """Put `message` into what goes out next."""
        self._outgoing += self.writer.message(chunk_stream, message)

    def set_chunk_size(self, size: int = CHUNK_SIZE) -> None:
        """Announce and use chunks of `size` bytes from now on."""
        self._control(MessageKind.SET_CHUNK_SIZE, struct.pack(">I", size))
        self.writer.chunk_size = size

    def outgoing(self) -> bytes:
        """What waits to be sent; it is handed out once."""
        if not self._outgoing:
            return b""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _control(self, kind: MessageKind, payload: bytes) -> None:
        self.send(_CONTROL, RtmpMessage(kind=kind, payload=payload))

    def _controlled(self, message: RtmpMessage) -> bool:
        """Answer a control message; False for everything else."""
        kind, payload = message.kind, message.payload
        if kind == MessageKind.USER_CONTROL:
            if _number(payload, 0, 2) == _PING_REQUEST:
                self._control(MessageKind.USER_CONTROL, struct.pack(">H", _PING_RESPONSE) + payload[2:6])
        elif kind == MessageKind.WINDOW_SIZE:
            self._window = _number(payload, 0, 4)
        elif kind == MessageKind.PEER_BANDWIDTH:
            limit = _number(payload, 0, 4)
            if limit != self._announced:
                self._announced = limit
                self._control(MessageKind.WINDOW_SIZE, struct.pack(">I", min(limit, WINDOW_BYTES)))
        elif kind == MessageKind.ACKNOWLEDGEMENT:
            self.acknowledgements += 1
        else:
            return False
        return True


def _number(payload: bytes, start: int, size: int) -> int:
    if len(payload) < start + size:
        raise MalformedMessage("an RTMP control message is too short")
    return int.from_bytes(payload[start : start + size], "big")
