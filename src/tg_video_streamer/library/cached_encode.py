"""One kept copy, and the reader that gives its packets back GOP by GOP, each checked against its checksum."""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tg_video_streamer.errors import CachedEncodeDamaged
from tg_video_streamer.library import locks
from tg_video_streamer.library.files import read_sidecar
from tg_video_streamer.library.sidecar import Gop, Sidecar
from tg_video_streamer.media import FRAME_TICKS, FRAMES_PER_SECOND, Kind, Packet
from tg_video_streamer.rtmp import flv

ZERO_MILLISECONDS = 1000
"""FLV knows no negative time: everything stands this much later in the file, so that early sound has a place."""

_VIDEO_HEAD = len(flv.KEYFRAME_HEAD)
_SOUND_HEAD = len(flv.SOUND_HEAD)
_TAG_HEAD = 11
_TAG_BEGINNING = struct.Struct(">BBHBHB3xB")
"""Kind, size and time of a tag, and the first byte of its body."""
_KEYFRAME = flv.KEYFRAME_HEAD[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedEncode:
    """A finished encode of one item, as the index knows it."""

    key: str
    item_key: str
    source_id: str
    title: str
    frames: int
    bytes: int
    path: Path
    created_wall: float
    played_wall: float
    plays: int
    duration_seconds: float | None = None
    """Of the whole source, where it was told when this was kept."""

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.frames / FRAMES_PER_SECOND

    def open(self) -> CachedEncodeReader:
        """Lock it against pruning and read its table; raises CachedEncodeDamaged where it is gone or not whole."""
        return CachedEncodeReader(self)


class CachedEncodeReader:
    """A copy that is open, and so is not pruned by anybody; close it. Not thread-safe."""

    def __init__(self, copy: CachedEncode) -> None:
        """Raises CachedEncodeDamaged."""
        self._name = copy.path.name
        try:
            self._descriptor = os.open(copy.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise CachedEncodeDamaged(f"the kept copy {self._name} cannot be read: {error.strerror}") from error
        try:
            sidecar = self._check(copy)
        except OSError as error:
            self.close()
            raise CachedEncodeDamaged(f"the kept copy {self._name} cannot be read: {error.strerror}") from error
        except BaseException:
            self.close()
            raise
        self.frames = sidecar.record.frames
        """Pictures in all."""
        self.gops: Sequence[Gop] = sidecar.gops
        """In order, without a gap."""
        self.faults = sidecar.faults
        """What is wrong with its picture or sound, as found when it was made."""
        self._firsts = [gop.first_frame for gop in sidecar.gops]

    def gop_at(self, frame: int) -> int:
        """Which GOP holds `frame`; the last one for a frame behind the end."""
        return max(0, bisect_right(self._firsts, frame) - 1)

    def read(self, gop: int) -> list[Packet]:
        """The packets of one GOP in the order in which they were kept; raises CachedEncodeDamaged."""
        entry = self.gops[gop]
        try:
            data = os.pread(self._descriptor, entry.length, entry.offset)
        except OSError as error:
            raise CachedEncodeDamaged(f"the kept copy {self._name} cannot be read: {error.strerror}") from error
        if len(data) != entry.length or zlib.crc32(data) != entry.crc32:
            raise CachedEncodeDamaged(f"the kept copy {self._name} is damaged in its GOP {gop}")
        return _packets(data, entry.first_frame)

    def close(self) -> None:
        """Give it free for pruning; closing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, copy: CachedEncode) -> Sidecar:
        if not locks.lock_shared(self._descriptor) or not locks.is_linked(self._descriptor):
            raise CachedEncodeDamaged(f"the kept copy {self._name} is being removed")
        sidecar = read_sidecar(copy.path.parent, copy.key)
        size = os.fstat(self._descriptor).st_size
        if size != sidecar.record.bytes:
            raise CachedEncodeDamaged(f"the kept copy {self._name} has {size} bytes instead of {sidecar.record.bytes}")
        head = os.pread(self._descriptor, sidecar.head_bytes, 0)
        if zlib.crc32(head) != sidecar.head_crc32:
            raise CachedEncodeDamaged(f"the kept copy {self._name} is damaged in its head")
        return sidecar


def _packets(data: bytes, first_frame: int) -> list[Packet]:
    """The packets of whole tags; the checksum has vouched for their form."""
    packets = []
    at = 0
    ticks = first_frame * FRAME_TICKS
    while at < len(data):
        kind, size_high, size_low, time_high, time_low, time_highest, first = _TAG_BEGINNING.unpack_from(data, at)
        body = at + _TAG_HEAD
        at = body + (size_high << 16 | size_low)
        if kind == flv.VIDEO:
            payload = data[body + _VIDEO_HEAD : at]
            packets.append(Packet(kind=Kind.VIDEO, ticks=ticks, keyframe=first == _KEYFRAME, data=payload))
            ticks += FRAME_TICKS
        else:
            own = ((time_highest << 24 | time_high << 16 | time_low) - ZERO_MILLISECONDS) * 3
            packets.append(Packet(kind=Kind.AUDIO, ticks=own, keyframe=True, data=data[body + _SOUND_HEAD : at]))
        at += 4
    return packets
