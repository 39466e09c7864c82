"""Which files can be read from their start while they are still being written; pure but for reading their head."""

from __future__ import annotations

import os
from pathlib import Path

HEAD_BYTES = 64 * 1024
"""Enough of any container but MP4 to tell what it is."""
ENOUGH_BYTES = 2_000_000
"""How much of a growing file a feed begins with: what a probe reads of a container without an index."""
ENOUGH_INDEXED_BYTES = 600_000
"""The same behind the head of a container that describes its streams there."""
_EBML = b"\x1a\x45\xdf\xa3"
_STREAMED = (b"FLV\x01", b"OggS", b"ID3", b"fLaC")
_TS_PACKET = 188
_MOST_BOXES = 64


def readable(path: Path, size: int) -> bool:
    """Whether the first `size` bytes of `path` are enough to play while the rest comes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        head = os.pread(descriptor, min(size, HEAD_BYTES), 0)
        if head[4:8] in {b"ftyp", b"styp"}:
            return _index_first(descriptor, size) is True
        if head.startswith(_EBML):
            return size >= ENOUGH_INDEXED_BYTES
        return size >= ENOUGH_BYTES and _is_streamed(head)
    finally:
        os.close(descriptor)


def needs_its_end(path: Path, size: int) -> bool:
    """Whether the first `size` bytes of `path` show that it can only be read when it is whole."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        head = os.pread(descriptor, min(size, HEAD_BYTES), 0)
        if head[4:8] in {b"ftyp", b"styp"}:
            return _index_first(descriptor, size) is False
        return size >= ENOUGH_BYTES and not head.startswith(_EBML) and not _is_streamed(head)
    finally:
        os.close(descriptor)


def _is_streamed(head: bytes) -> bool:
    return head.startswith(_STREAMED) or _is_transport_stream(head) or _is_sound_frame(head)


def _index_first(descriptor: int, size: int) -> bool | None:
    """Whether an MP4 has its whole `moov` box within `size`, before any `mdat`; None if that is not known yet."""
    at = 0
    for _ in range(_MOST_BOXES):
        header = os.pread(descriptor, 16, at)
        if at + 16 > size or len(header) < 16:
            return None
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if kind == b"mdat" or length < 8:
            return False
        at += length
        if kind == b"moov":
            return True if at + ENOUGH_INDEXED_BYTES <= size else None
    return False


def _is_transport_stream(head: bytes) -> bool:
    return len(head) > 4 * _TS_PACKET and all(head[at] == 0x47 for at in range(0, 4 * _TS_PACKET, _TS_PACKET))


def _is_sound_frame(head: bytes) -> bool:
    """The syncword of MPEG audio or ADTS."""
    return len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
