"""The simple RTMP handshake (Adobe, "RTMP specification 1.0", §5.2), the same for both ends; pure."""

from __future__ import annotations

import os

from tg_video_streamer.errors import MalformedMessage

VERSION = 3
PACKET_BYTES = 1536
"""Length of C1, S1, C2 and S2; C0 and S0 are one byte, the version."""
_WHOLE_BYTES = 1 + 2 * PACKET_BYTES


def first_packet(random: bytes | None = None) -> bytes:
    """C1 or S1: time 0, zero, and 1528 random bytes (given ones in tests)."""
    return bytes(8) + (random if random is not None else os.urandom(PACKET_BYTES - 8))


def echo(peers_first: bytes) -> bytes:
    """C2 or S2: the peer's first packet, unchanged, as every server accepts it."""
    return peers_first


class Handshake:
    """One end of it, for bytes that come in any pieces."""

    def __init__(self, *, begins: bool) -> None:
        """`begins`: this end speaks first, as clients do; the other greets back together with its echo."""
        self._greeting = bytes([VERSION]) + first_packet()
        self._outgoing = self._greeting if begins else b""
        self._begins = begins
        self._received = bytearray()
        self._echoed = False

    def outgoing(self) -> bytes:
        """What must be sent now, handed out once."""
        data, self._outgoing = self._outgoing, b""
        return data

    def receive(self, data: bytes) -> bytes | None:
        """What lies behind the peer's part; None while that is not whole. Raises MalformedMessage."""
        self._received += data
        if self._received and self._received[0] != VERSION:
            raise MalformedMessage("the handshake has another version")
        if not self._echoed and len(self._received) > PACKET_BYTES:
            self._echoed = True
            answer = echo(bytes(self._received[1 : 1 + PACKET_BYTES]))
            self._outgoing += answer if self._begins else self._greeting + answer
        if len(self._received) < _WHOLE_BYTES:
            return None
        rest = bytes(self._received[_WHOLE_BYTES:])
        self._received.clear()
        return rest
