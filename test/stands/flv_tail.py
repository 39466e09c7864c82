"""The end of an FLV record that may still be growing: what came after a moment, as a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

_FILE_HEADER_BYTES = 9 + 4
_TAG_HEADER_BYTES = 11
_TRAILER_BYTES = 4
_AUDIO, _VIDEO = 8, 9


def last_seconds(record: Path) -> float:
    """Time of the last whole tag; 0 where there is none."""
    return max((milliseconds for _, milliseconds, _ in _tags(record.read_bytes())), default=0) / 1000


def missing(record: Path) -> tuple[int, int]:
    """Pictures and packets of sound that a record lacks between its first and its last: their times have no other holes."""
    times: dict[int, list[int]] = {_VIDEO: [], _AUDIO: []}
    for kind, milliseconds, tag in _tags(record.read_bytes()):
        if kind in times and not _is_header(kind, tag[_TAG_HEADER_BYTES:]):
            times[kind].append(milliseconds)
    pictures, sound = (
        sum(round((after - before) / period) - 1 for before, after in pairwise(times[kind]))
        for kind, period in ((_VIDEO, 40.0), (_AUDIO, 1024 / 48))
    )
    return pictures, sound


def cut_tail(record: Path, copy: Path, *, since: float) -> Path:
    """`copy` with the decoder headers and every whole tag from the first keyframe at or after `since` seconds on.

    Times stay what they are. Layout: Adobe FLV 10.1, annex E.4.
    """
    data = record.read_bytes()
    pieces = [data[:_FILE_HEADER_BYTES]]
    begun = False
    for kind, milliseconds, tag in _tags(data):
        body = tag[_TAG_HEADER_BYTES:]
        is_header = _is_header(kind, body)
        begun = begun or (kind == _VIDEO and body[0] >> 4 == 1 and body[1] == 1 and milliseconds >= since * 1000)
        if is_header or begun:
            pieces.append(tag)
    copy.write_bytes(b"".join(pieces))
    return copy


def _is_header(kind: int, body: bytes) -> bool:
    return kind in {_AUDIO, _VIDEO} and body[1] == 0 and (body[0] & 0x0F == 7 or body[0] >> 4 == 10)


def _tags(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Kind, time in ms and bytes (trailer included) of each whole tag."""
    at = _FILE_HEADER_BYTES
    while at + _TAG_HEADER_BYTES <= len(data):
        length = int.from_bytes(data[at + 1 : at + 4], "big")
        end = at + _TAG_HEADER_BYTES + length + _TRAILER_BYTES
        if end > len(data):
            return
        milliseconds = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        yield data[at] & 0x1F, milliseconds, data[at:end]
        at = end
