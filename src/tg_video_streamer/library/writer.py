"""Keeps one item's packets while they are made: a file that nobody sees until it is whole, and then everybody at once."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from tg_video_streamer.atomic_file import create_file, sync_folder
from tg_video_streamer.errors import CachedEncodeDamaged
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.library import locks
from tg_video_streamer.library.cache_state import CacheState, Trouble
from tg_video_streamer.library.cached_encode import ZERO_MILLISECONDS, CachedEncode
from tg_video_streamer.library.files import (
    PART,
    SIDECAR_PART,
    is_whole,
    media_path,
    read_sidecar,
    sidecar_path,
)
from tg_video_streamer.library.sidecar import FaultSpan, Gop, Record, Sidecar, dump_sidecar
from tg_video_streamer.media import FRAME_TICKS, FRAMES_PER_SECOND, CodecHeaders, Kind, Packet
from tg_video_streamer.rtmp import flv

LOOK_BYTES = 16 * 1024 * 1024
"""How much is written between two looks at the room on the disk."""
_FLUSH_BYTES = 1024 * 1024
_LONGEST_TAG = (1 << 24) - 1
_LAST_MILLISECOND = (1 << 31) - 1
_PATIENCE_SECONDS = 10.0

_log = structlog.get_logger(__name__)


class CacheWriter:
    """Takes the packets of one item from its first frame on; nothing is kept but by `commit`.

    One thread adds; another may commit or abandon once the adding has ended.
    """

    def __init__(
        self, folder: Path, record: Record, *, house: HouseFormat, headers: CodecHeaders, shelf: CacheState
    ) -> None:
        """`record`: what is known before; raises OSError where no file can be made."""
        self._folder = folder
        self._record = record
        self._shelf = shelf
        self._lock = threading.Lock()
        self._gops: list[Gop] = []
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._written = 0
        self._looked = 0
        self._frames = 0
        self._gop_offset = 0
        self._gop_frame = 0
        self._gop_crc32 = 0
        self.key = record.key
        """Of the copy that it will be."""
        self.failed = ""
        """Why nothing will be kept; empty while something may be."""
        self._descriptor, self._part = _new_part(folder, record.key)
        try:
            self._write_head(house, headers)
        except OSError:
            self._remove()
            raise

    def add(self, packet: Packet) -> None:
        """Keep one packet. Never raises: the first trouble ends the keeping and frees the disk; see `failed`."""
        with self._lock:
            if self._descriptor < 0:
                return
            try:
                trouble = self._add_picture(packet) if packet.kind is Kind.VIDEO else self._add_sound(packet)
            except OSError as error:
                trouble = _of_disk(error)
            if trouble is not None:
                self._fail(trouble)

    def commit(self, *, faults: Sequence[FaultSpan] = ()) -> CachedEncode | None:
        """Put the copy in its place, whole and synced, and list it; None where it cannot be. Blocks; never raises.

        `faults`: what was found wrong with it.
        """
        with self._lock:
            if self._descriptor < 0:
                return None
            if not self._frames:
                self._fail(Trouble(what="it has no picture", of_disk=False))
                return None
            try:
                return self._commit(tuple(faults))
            except OSError as error:
                self._fail(_of_disk(error))
                return None

    def abandon(self) -> None:
        """Keep nothing; harmless after `commit`."""
        with self._lock:
            if self._descriptor >= 0:
                self.failed = "it was abandoned"
                self._remove()
                self._shelf.ended(self.key)

    @property
    def taken_bytes(self) -> int:
        """Of the file, so far."""
        return self._written + self._waiting_bytes

    def _add_picture(self, packet: Packet) -> Trouble | None:
        if packet.ticks != self._frames * FRAME_TICKS:
            return Trouble(what=f"frame {self._frames} is missing", of_disk=False)
        if packet.keyframe:
            if self._frames:
                self._end_gop()
        elif not self._frames:
            return Trouble(what="it does not begin with a keyframe", of_disk=False)
        self._frames += 1
        head = flv.KEYFRAME_HEAD if packet.keyframe else flv.PICTURE_HEAD
        return self._append(flv.VIDEO, packet.ticks // 3 + ZERO_MILLISECONDS, head, packet.data)

    def _add_sound(self, packet: Packet) -> Trouble | None:
        milliseconds = (packet.ticks + 1) // 3 + ZERO_MILLISECONDS
        # What is earlier than a second before the first picture is never heard: the program has no place for it.
        return self._append(flv.AUDIO, milliseconds, flv.SOUND_HEAD, packet.data) if milliseconds >= 0 else None

    def _append(self, kind: int, milliseconds: int, head: bytes, data: bytes) -> Trouble | None:
        if len(head) + len(data) > _LONGEST_TAG or milliseconds > _LAST_MILLISECOND:
            return Trouble(what="it is longer than the file format allows", of_disk=False)
        tag = flv.file_tag(kind, milliseconds, head, data)
        self._waiting.append(tag)
        self._waiting_bytes += len(tag)
        if self._waiting_bytes >= _FLUSH_BYTES:
            self._flush()
        if self._written - self._looked < LOOK_BYTES:
            return None
        self._looked = self._written
        return self._shelf.room_to_write(self._written)

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._gop_crc32 = zlib.crc32(data, self._gop_crc32)
        self._written += len(data)
        _write(self._descriptor, data)

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
        size = {"width": house.width, "height": house.height}
        metadata = flv.metadata(**size, frames_per_second=FRAMES_PER_SECOND, rtmp=False)
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
        if (trouble := self._shelf.room_to_keep(self._written)) is not None:
            self._fail(trouble)
            return None
        record = replace(self._record, frames=self._frames, bytes=self._written)
        os.fsync(self._descriptor)
        sidecar = Sidecar(
            record=record,
            head_bytes=self._head_bytes,
            head_crc32=self._head_crc32,
            gops=tuple(self._gops),
            faults=faults,
        )
        beside = self._part.with_suffix(SIDECAR_PART)
        try:
            create_file(beside, dump_sidecar(sidecar))
            with locks.folder_lock(self._folder, patience_seconds=_PATIENCE_SECONDS) as held:
                if not held:
                    self._fail(Trouble(what="another process holds the library and does not go on", of_disk=True))
                    return None
                if not is_whole(self._folder, self.key):
                    beside.replace(sidecar_path(self._folder, self.key))
                    self._part.replace(media_path(self._folder, self.key))
                    sync_folder(self._folder)
                # Who reads it may lock it from here on; nobody sweeps it, since it has its name.
                locks.unlock(self._descriptor)
            copy = self._shelf.put(_as_kept(self._folder, record))
        finally:
            with contextlib.suppress(OSError):  # swept at the next start
                beside.unlink(missing_ok=True)
        self._remove()
        self._shelf.ended(self.key)
        return copy

    def _fail(self, trouble: Trouble) -> None:
        self.failed = trouble.what
        self._remove()
        _log.info("a copy is not kept", key=self._record.item_key, why=trouble.what)
        self._shelf.ended(self.key, trouble)

    def _remove(self) -> None:
        """Close the file, and free the disk where it has not got its place."""
        descriptor, self._descriptor = self._descriptor, -1
        self._waiting.clear()
        self._waiting_bytes = 0
        try:
            self._part.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("an unfinished copy cannot be removed", file=self._part.name, why=error.strerror)
        finally:
            os.close(descriptor)


def _as_kept(folder: Path, record: Record) -> Record:
    """The record of the copy that stands there now: ours, or what another process kept in the meantime."""
    try:
        return read_sidecar(folder, record.key).record
    except CachedEncodeDamaged:
        return record


def _of_disk(error: OSError) -> Trouble:
    return Trouble(what=f"writing failed: {error.strerror or error}", of_disk=True)


def _new_part(folder: Path, key: str) -> tuple[int, Path]:
    """A new file for packets that is ours alone. Raises OSError."""
    while True:
        path = folder / f"{key}.{secrets.token_hex(8)}{PART}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        # Another process may sweep it in the moment before it is locked; then another one is made.
        if locks.lock_exclusive(descriptor) and locks.is_linked(descriptor):
            return descriptor, path
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
