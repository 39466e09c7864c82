"""Which bytes of a growing Matroska file a feed leaves out that has played the beginning already.

A pipe cannot be seeked. What comes through it after the file's head keeps its own times, so the beginning and the clusters
shortly before the wanted time are enough; a feed that begins again an hour into a film decodes seconds of it and not all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from tg_video_streamer.resolve.growing import GrowingFile

_EBML, _SEGMENT, _INFO, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1F43B675
_SCALE, _TIME, _CHECK = 0x2AD7B1, 0xE7, 0xBF
_CLUSTER_BYTES = _CLUSTER.to_bytes(4, "big")
_USUAL_SCALE = 1_000_000
"""Nanoseconds in a unit of time."""
_HEADER_BYTES = 64
_KEPT_SECONDS = 2.0
"""From the beginning, for what ffmpeg reads to know the streams."""
_EARLY_SECONDS = 20.0
"""More than from one keyframe to the next."""
_SCAN_BYTES = 1 << 20
_MOST_SCANNED_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Skip:
    """The bytes from `keep_to` to `begin_at` are left out."""

    keep_to: int
    begin_at: int
    length_at: int
    length_bytes: int
    """Where the file's length is written, which no longer holds."""

    def of_unknown_length(self, data: bytes) -> bytes:
        """The first piece of the file, its length replaced by that of a stream."""
        unknown = ((1 << 7 * self.length_bytes) - 1 | 1 << 7 * self.length_bytes).to_bytes(self.length_bytes, "big")
        return data[: self.length_at] + unknown + data[self.length_at + self.length_bytes :]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Element:
    name: int
    at: int
    body: int
    end: int | None
    """None: its length is not known."""


def skip_to(growing: GrowingFile, seconds: float) -> Skip | None:
    """What may be left out by a feed that needs the file from `seconds` on; None: nothing, or it is not Matroska.

    Reads the headers of its clusters. Raises OSError.
    """
    descriptor = os.open(growing.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _Matroska(descriptor, growing.size, growing.dropped_to).skip_to(seconds)
    finally:
        os.close(descriptor)


class _Matroska:
    def __init__(self, descriptor: int, size: int, dropped_to: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._dropped_to = dropped_to
        self._scale = _USUAL_SCALE

    def skip_to(self, seconds: float) -> Skip | None:
        """See above."""
        top = self._element(0)
        segment = self._element(top.end) if top is not None and top.name == _EBML and top.end is not None else None
        if segment is None or segment.name != _SEGMENT:
            return None
        first = keep_to = begin_at = None
        for at, time in self._clusters(segment.body):
            first = time if first is None else first
            if keep_to is None and time - first >= _KEPT_SECONDS:
                keep_to = at
            if time - first > seconds - _EARLY_SECONDS and (begin_at is not None or at >= self._dropped_to):
                # Behind a window the oldest one that is left has to do.
                begin_at = begin_at if begin_at is not None else at
                break
            if at >= self._dropped_to:
                begin_at = at
        if keep_to is None or begin_at is None or begin_at <= keep_to:
            return None
        length_at = segment.at + 4
        return Skip(keep_to=keep_to, begin_at=begin_at, length_at=length_at, length_bytes=segment.body - length_at)

    def _clusters(self, at: int) -> Iterator[tuple[int, float]]:
        """Where each cluster is, and its time in seconds; what a window has dropped is left out."""
        following: int | None = at
        while following is not None:
            element = self._element(following)
            if element is None or element.name == 0:
                # A window has dropped it: the next cluster behind is searched for.
                if following >= self._dropped_to or (following := self._scan(self._dropped_to)) is None:
                    return
                continue
            if element.name == _INFO:
                self._scale = self._number(element.body, _SCALE, within=element.end) or _USUAL_SCALE
            elif (
                element.name == _CLUSTER and (time := self._number(element.body, _TIME, within=element.end)) is not None
            ):
                yield following, time * self._scale / 1e9
            following = element.end if element.end is not None else self._scan(element.body)

    def _element(self, at: int) -> _Element | None:
        """The element that begins at `at`; None where the file has no whole header of one."""
        data = os.pread(self._descriptor, 12, at)
        if at + 12 > self._size or len(data) < 12 or not data[0]:
            return None
        name_bytes = 9 - data[0].bit_length()
        if name_bytes > 4 or not data[name_bytes]:
            return None
        length_bytes = 9 - data[name_bytes].bit_length()
        bits = 7 * length_bytes
        length = int.from_bytes(data[name_bytes : name_bytes + length_bytes], "big") & (1 << bits) - 1
        body = at + name_bytes + length_bytes
        unknown = length == (1 << bits) - 1
        name = int.from_bytes(data[:name_bytes], "big")
        return _Element(name=name, at=at, body=body, end=None if unknown else body + length)

    def _number(self, at: int, name: int, *, within: int | None) -> int | None:
        """The value of the first child `name`, which is near the beginning."""
        until = at + _HEADER_BYTES if within is None else min(within, at + _HEADER_BYTES)
        while at < until and (child := self._element(at)) is not None and child.end is not None:
            if child.name == name:
                return int.from_bytes(os.pread(self._descriptor, child.end - child.body, child.body), "big")
            if name == _TIME and child.name != _CHECK:
                return None
            at = child.end
        return None

    def _scan(self, at: int) -> int | None:
        """Where the next cluster begins."""
        for start in range(at, min(self._size, at + _MOST_SCANNED_BYTES), _SCAN_BYTES):
            data = os.pread(self._descriptor, _SCAN_BYTES + 3, start)
            found = data.find(_CLUSTER_BYTES)
            while found >= 0:
                element = self._element(start + found)
                if element is not None and self._number(element.body, _TIME, within=element.end) is not None:
                    return start + found
                found = data.find(_CLUSTER_BYTES, found + 1)
        return None
