"""The sidecar file of a cached encode: its record and its table of GOPs.

It starts with the CRC-32 of the rest, so that a damaged table is never used.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from typing import Any

from tg_video_streamer.errors import CachedEncodeDamaged, CachedEncodeOfLaterVersion
from tg_video_streamer.media import FrameRate

VERSION = 1
"""Of the format of both files; part of every key, so that two versions never share a file."""
_BEGINNING = re.compile(rb'\{"crc32":"([0-9a-f]{8})",')


@dataclass(frozen=True, kw_only=True, slots=True)
class Gop:
    """One keyframe and what follows up to the next, in stream order; the first GOP includes earlier sound."""

    first_frame: int
    frames: int
    offset: int
    """Of its first tag in the FLV, in bytes."""
    length: int
    crc32: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultSpan:
    """A range of the item, in seconds, in which its picture is black or frozen or its sound is silent (`fault`)."""

    fault: str
    since_seconds: float
    until_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """The facts of one cached encode."""

    key: str
    item_key: str
    source_id: str
    title: str
    frames: int
    bytes: int
    """Of the FLV."""
    created_wall: float
    rate: FrameRate
    duration_seconds: float | None = None
    """Of the whole source, if known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sidecar:
    """The whole content of a sidecar."""

    record: Record
    head_bytes: int
    """Of the FLV up to its first GOP."""
    head_crc32: int
    gops: tuple[Gop, ...]
    faults: tuple[FaultSpan, ...] = ()
    """Found while it was encoded, and reported at each play."""


def dump_sidecar(sidecar: Sidecar) -> bytes:
    """The file's content."""
    record = sidecar.record
    body = json.dumps(
        {
            "version": VERSION,
            "key": record.key,
            "item_key": record.item_key,
            "source_id": record.source_id,
            "title": record.title,
            "duration_seconds": record.duration_seconds,
            "created_wall": record.created_wall,
            "frames": record.frames,
            "frame_rate": record.rate,
            "bytes": record.bytes,
            "head": [sidecar.head_bytes, sidecar.head_crc32],
            "faults": [[one.fault, one.since_seconds, one.until_seconds] for one in sidecar.faults],
            "gops": [[gop.first_frame, gop.offset, gop.length, gop.crc32] for gop in sidecar.gops],
        },
        separators=(",", ":"),
    ).encode()[1:]
    return b'{"crc32":"%08x",' % zlib.crc32(body) + body


def load_sidecar(content: bytes) -> Sidecar:
    """The inverse of `dump_sidecar`; raises CachedEncodeDamaged for any other content."""
    beginning = _BEGINNING.match(content)
    if beginning is None or zlib.crc32(content[beginning.end() :]) != int(beginning[1], 16):
        raise CachedEncodeDamaged("the sidecar of a cached encode is damaged")
    try:
        return _sidecar(json.loads(content))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CachedEncodeDamaged("the sidecar of a cached encode has an unknown format") from error


def _sidecar(value: dict[str, Any]) -> Sidecar:
    if value["version"] > VERSION:
        raise CachedEncodeOfLaterVersion("a cached encode was written by a later version of this program")
    frames = int(value["frames"])
    rows = value["gops"]
    ends = [row[0] for row in rows[1:]] + [frames]
    duration = value["duration_seconds"]
    return Sidecar(
        record=Record(
            key=str(value["key"]),
            item_key=str(value["item_key"]),
            source_id=str(value["source_id"]),
            title=str(value["title"]),
            frames=frames,
            bytes=int(value["bytes"]),
            created_wall=float(value["created_wall"]),
            # Sidecars of older versions do not name the only rate there was.
            rate=FrameRate(value.get("frame_rate", 25)),
            duration_seconds=None if duration is None else float(duration),
        ),
        head_bytes=int(value["head"][0]),
        head_crc32=int(value["head"][1]),
        gops=tuple(
            Gop(first_frame=first, frames=end - first, offset=offset, length=length, crc32=crc32)
            for (first, offset, length, crc32), end in zip(rows, ends, strict=True)
        ),
        # Sidecars of older versions have no faults.
        faults=tuple(
            FaultSpan(fault=str(fault), since_seconds=float(since), until_seconds=float(until))
            for fault, since, until in value.get("faults", ())
        ),
    )
