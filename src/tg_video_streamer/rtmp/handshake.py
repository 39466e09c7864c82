"""The simple RTMP handshake (Adobe, "RTMP specification 1.0", §5.2), the same for both ends; pure."""

from __future__ import annotations

import os

VERSION = 3
PACKET_BYTES = 1536
"""Length of C1, S1, C2 and S2; C0 and S0 are one byte, the version."""


def first_packet(random: bytes | None = None) -> bytes:
    """C1 or S1: time 0, zero, and 1528 random bytes (given ones in tests)."""
    return bytes(8) + (random if random is not None else os.urandom(PACKET_BYTES - 8))


def echo(peers_first: bytes) -> bytes:
    """C2 or S2: the peer's first packet as it came, which every server takes as proof that it was read."""
    return peers_first
