"""Writes the cached encode of one item; its file becomes visible only when it is complete."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from tg_video_streamer.errors import CachedEncodeDamaged
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.library.cache_state import CacheState, NotCached
from tg_video_streamer.library.cached_encode import ZERO_MILLISECONDS, CachedEncode
from tg_video_streamer.library.files import read_sidecar
from tg_video_streamer.library.part import name_files, new_part, write_all
from tg_video_streamer.library.sidecar import FaultSpan, Gop, Record, Sidecar, dump_sidecar
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import CodecHeaders, Kind, Packet
from tg_video_streamer.rtmp import flv

CHECK_BYTES = 16 * 1024 * 1024
"""How much is written between two checks of the disk space."""
_FLUSH_BYTES = 1024 * 1024
_LONGEST_TAG = (1 << 24) - 1
_LAST_MILLISECOND = (1 << 31) - 1

_log = structlog.get_logger(__name__)


class CacheWriter:
    """Takes the packets of one item from its first frame on; only `commit` adds it to the library.

    One thread adds; another may commit or abandon after the last `add`.
    """

    def __init__(
        self,
        folder: Path,
        record: Record,
        *,
        house: HouseFormat,
        headers: CodecHeaders,
        state: CacheState,
        replaces: str = "",
    ) -> None:
        """`record`: the facts known so far. `replaces`: the key of the encode that the complete one makes needless, or empty.

        Raises OSError if no file can be created.
        """
        self._folder = folder
        self._record = record
        self._state = state
        self._replaces = replaces
        self._lock = threading.Lock()
        self._gops: list[Gop] = []
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._written = 0
        self._checked = 0
        self._frames = 0
        self._gop_offset = 0
        self._gop_frame = 0
        self._gop_crc32 = 0
        self.key = record.key
        """Of the cached encode."""
        self.failed = ""
        """Why it will not be cached; empty while it may be."""
        self._descriptor, self._part = new_part(folder, record.key)
        try:
            self._write_head(house, headers)
        except OSError:
            self._remove()
            raise

    def add(self, packet: Packet) -> None:
        """Add one packet. Never raises: the first failure ends the writing and frees the disk; see `failed`."""
        with self._lock:
            if self._descriptor < 0:
                return
            try:
                problem = self._add_picture(packet) if packet.kind is Kind.VIDEO else self._add_sound(packet)
            except OSError as error:
                problem = _disk_failure(error)
            if problem is not None:
                self._fail(problem)

    def commit(self, *, faults: Sequence[FaultSpan] = ()) -> CachedEncode | None:
        """Sync the file, give it its name and list it; None if that fails. Blocks; never raises.

        `faults`: found in its picture and sound.
        """
        with self._lock:
            if self._descriptor < 0:
                return None
            if not self._frames:
                self._fail(NotCached(what=Message.of("library.no_picture"), of_disk=False))
                return None
            try:
                return self._commit(tuple(faults))
            except OSError as error:
                self._fail(_disk_failure(error))
                return None

    def abandon(self) -> None:
        """Discard it; harmless after `commit`."""
        with self._lock:
            if self._descriptor >= 0:
                self.failed = "it was abandoned"
                self._remove()
                self._state.ended(self.key)

    @property
    def taken_bytes(self) -> int:
        """Size of the file so far."""
        return self._written + self._waiting_bytes

    def _add_picture(self, packet: Packet) -> NotCached | None:
        if packet.ticks != self._frames * self._record.rate.frame_ticks:
            return NotCached(what=Message.of("library.no_frame", frame=self._frames), of_disk=False)
        if packet.keyframe:
            if self._frames:
                self._end_gop()
        elif not self._frames:
            return NotCached(what=Message.of("library.no_keyframe"), of_disk=False)
        self._frames += 1
        head = flv.KEYFRAME_HEAD if packet.keyframe else flv.PICTURE_HEAD
        return self._append(flv.VIDEO, packet.ticks // 3 + ZERO_MILLISECONDS, head, packet.data)

    def _add_sound(self, packet: Packet) -> NotCached | None:
        milliseconds = (packet.ticks + 1) // 3 + ZERO_MILLISECONDS
        # Sound earlier than a second before the first picture is never played.
        return self._append(flv.AUDIO, milliseconds, flv.SOUND_HEAD, packet.data) if milliseconds >= 0 else None

    def _append(self, kind: int, milliseconds: int, head: bytes, data: bytes) -> NotCached | None:
        if len(head) + len(data) > _LONGEST_TAG or milliseconds > _LAST_MILLISECOND:
            return NotCached(what=Message.of("library.too_long"), of_disk=False)
        tag = flv.file_tag(kind, milliseconds, head, data)
        self._waiting.append(tag)
        self._waiting_bytes += len(tag)
        if self._waiting_bytes >= _FLUSH_BYTES:
            self._flush()
        if self._written - self._checked < CHECK_BYTES:
            return None
        self._checked = self._written
        return self._state.space_to_write(self._written)

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._gop_crc32 = zlib.crc32(data, self._gop_crc32)
        self._written += len(data)
        write_all(self._descriptor, data)

    def _end_gop(self) -> None:
        self._flush()
        self._gops.append(
            Gop(
                first_frame=self._gop_frame,
                frames=self._frames - self._gop_frame,
                offset=self._gop_offset,
                length=self._written - self._gop_offset,
                crc32=self._gop_crc32,
            )
        )
        self._gop_frame, self._gop_offset, self._gop_crc32 = self._frames, self._written, 0

    def _write_head(self, house: HouseFormat, headers: CodecHeaders) -> None:
        metadata = flv.metadata(width=house.width, height=house.height, frames_per_second=house.frame_rate, rtmp=False)
        self._waiting = [
            flv.FILE_HEADER,
            flv.file_tag(flv.SCRIPT, 0, b"", metadata),
            flv.file_tag(flv.VIDEO, 0, b"", flv.video_header(headers.video)),
            flv.file_tag(flv.AUDIO, 0, b"", flv.audio_header(headers.audio)),
        ]
        self._flush()
        self._head_bytes, self._head_crc32 = self._written, self._gop_crc32
        self._gop_offset, self._gop_crc32 = self._written, 0

    def _commit(self, faults: tuple[FaultSpan, ...]) -> CachedEncode | None:
        self._end_gop()
        if (problem := self._state.space_to_commit(self._written)) is not None:
            self._fail(problem)
            return None
        record = replace(self._record, frames=self._frames, bytes=self._written)
        sidecar = Sidecar(
            record=record,
            head_bytes=self._head_bytes,
            head_crc32=self._head_crc32,
            gops=tuple(self._gops),
            faults=faults,
        )
        if not name_files(self._part, self._descriptor, self.key, dump_sidecar(sidecar)):
            self._fail(NotCached(what=Message.of("library.locked"), of_disk=True))
            return None
        encode = self._state.put(_record_in_place(self._folder, record))
        self._remove()
        self._state.ended(self.key)
        if encode is not None and self._replaces:
            self._state.replaced(self._replaces)
        return encode

    def _fail(self, problem: NotCached) -> None:
        self.failed = str(problem.what)
        self._remove()
        _log.info("item not cached", key=self._record.item_key, why=str(problem.what))
        self._state.ended(self.key, problem)

    def _remove(self) -> None:
        """Close the file, and remove it unless it was renamed."""
        descriptor, self._descriptor = self._descriptor, -1
        self._waiting.clear()
        self._waiting_bytes = 0
        try:
            self._part.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("unfinished cached encode cannot be removed", file=self._part.name, why=error.strerror)
        finally:
            os.close(descriptor)


def _record_in_place(folder: Path, record: Record) -> Record:
    """The record of the encode that has the name now: this one, or one of another process."""
    try:
        return read_sidecar(folder, record.key).record
    except CachedEncodeDamaged:
        return record


def _disk_failure(error: OSError) -> NotCached:
    return NotCached(what=Message.of("library.not_written", detail=error.strerror or str(error)), of_disk=True)
