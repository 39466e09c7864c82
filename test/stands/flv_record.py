"""Records that a server is still writing, or died while writing: what of them is whole."""

from __future__ import annotations

from pathlib import Path

_FILE_HEADER_BYTES = 9 + 4
_TAG_HEADER_BYTES = 11
_TRAILER_BYTES = 4


def whole_tags(record: Path, copy: Path) -> Path:
    """`copy` with all of an FLV record but a half-written tag at its end (Adobe FLV 10.1, annex E.4.1)."""
    data = record.read_bytes()
    end = _FILE_HEADER_BYTES
    while end + _TAG_HEADER_BYTES <= len(data):
        length = int.from_bytes(data[end + 1 : end + 4], "big")
        following = end + _TAG_HEADER_BYTES + length + _TRAILER_BYTES
        if following > len(data):
            break
        end = following
    copy.write_bytes(data[:end])
    return copy
