"""Writes an item's packets into the library from a thread of its own: a disk that hangs must not hold up the item."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

import structlog

from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.sidecar import FaultSpan
from tg_video_streamer.library.writer import CacheWriter
from tg_video_streamer.media import Packet

MOST_BYTES = 16 * 1024 * 1024
"""So much may wait for the disk; beyond it the item is not cached, or its encoding waits."""
_BATCH_BYTES = 256 * 1024
"""So much is written at once: few wake-ups."""
_JOIN_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class CacheThread:
    """Takes packets from one thread; another may commit or abandon after the last one."""

    def __init__(self, writer: CacheWriter, *, waits: bool) -> None:
        """`waits`: the encoding waits for a slow disk, since it is for the library only."""
        self._writer = writer
        self._waits = waits
        self._changed = threading.Condition()
        self._packets: deque[Packet] = deque()
        self._bytes = 0
        self._ended = False
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name="cache-writer", daemon=True)
        self._thread.start()

    def add(self, packet: Packet) -> None:
        """Take one packet; returns at once, or with `waits` once the disk has taken enough of the earlier ones."""
        with self._changed:
            while self._waits and self._bytes >= MOST_BYTES and not self._ended:
                self._changed.wait()
            if self._ended or self._given_up:
                return
            self._packets.append(packet)
            self._bytes += len(packet.data)
            if self._bytes >= MOST_BYTES and not self._waits:
                _log.warning("the library's disk is too slow, the item is not cached", key=self._writer.key)
                self._give_up()
            if self._bytes >= _BATCH_BYTES:
                self._changed.notify_all()

    def commit(self, *, faults: Sequence[FaultSpan]) -> CachedEncode | None:
        """See CacheWriter.commit; first waits until everything is written."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        return None if self._given_up else self._writer.commit(faults=faults)

    def abandon(self) -> None:
        """Discard it; what hangs in the disk is discarded when that returns."""
        with self._changed:
            self._ended = True
            self._give_up()
        self._thread.join(_JOIN_SECONDS)

    def _give_up(self) -> None:
        self._given_up = True
        self._packets.clear()
        self._bytes = 0
        self._changed.notify_all()

    def _run(self) -> None:
        while batch := self._next():
            for packet in batch:
                self._writer.add(packet)
        if self._given_up:
            self._writer.abandon()

    def _next(self) -> list[Packet]:
        """What is written next; empty at the end."""
        with self._changed:
            while not self._ended and not self._given_up and self._bytes < _BATCH_BYTES:
                self._changed.wait()
            batch = list(self._packets)
            self._packets.clear()
            self._bytes = 0
            self._changed.notify_all()
            return [] if self._given_up else batch
