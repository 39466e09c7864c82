"""The files of the library's folder: names, listing, cleaning, removal."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from tg_video_streamer.errors import CachedEncodeDamaged, CachedEncodeOfLaterVersion
from tg_video_streamer.library import locks
from tg_video_streamer.library.sidecar import Record, Sidecar, load_sidecar

PART = ".part"
"""Suffix of packets that are being written: KEY.RANDOM.part."""
SIDECAR_PART = ".json-part"
"""Suffix of their sidecar until both are renamed: KEY.RANDOM.json-part."""
_NAME = re.compile(r"([0-9a-f]{32})\.(flv|json)|[0-9a-f]{32}\.[0-9a-f]+(\.part|\.json-part)")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderListing:
    """The content of the folder at one moment."""

    media: frozenset[str]
    """Keys with packets."""
    sidecars: frozenset[str]
    """Keys with a sidecar."""
    parts: tuple[str, ...]
    """Names of unfinished files."""

    @property
    def complete(self) -> frozenset[str]:
        """Keys with both."""
        return self.media & self.sidecars


def media_path(folder: Path, key: str) -> Path:
    """The file of the packets."""
    return folder / f"{key}.flv"


def sidecar_path(folder: Path, key: str) -> Path:
    """The file of the sidecar."""
    return folder / f"{key}.json"


def read_sidecar(folder: Path, key: str) -> Sidecar:
    """The sidecar of `key`; raises CachedEncodeDamaged if it is missing or damaged."""
    path = sidecar_path(folder, key)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CachedEncodeDamaged(
            f"the sidecar {path.name} of a cached encode cannot be read: {error.strerror}"
        ) from error
    sidecar = load_sidecar(content)
    if sidecar.record.key != key:
        raise CachedEncodeDamaged(f"the sidecar {path.name} belongs to another encode")
    return sidecar


def list_folder(folder: Path) -> FolderListing:
    """Raises OSError."""
    found: dict[str, set[str]] = {"flv": set(), "json": set()}
    parts = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if (name := _NAME.fullmatch(entry.name)) is None:
                continue
            if name[3]:
                parts.append(entry.name)
            else:
                found[name[2]].add(name[1])
    return FolderListing(media=frozenset(found["flv"]), sidecars=frozenset(found["json"]), parts=tuple(parts))


def records(folder: Path, keys: frozenset[str]) -> Iterator[Record]:
    """The records of these keys; a damaged encode is removed, one of a later version is skipped."""
    for key in sorted(keys):
        try:
            record = _record(folder, key)
        except CachedEncodeOfLaterVersion as error:
            _log.info("cached encode of a later version ignored", cache_key=key, why=error.what)
        except (CachedEncodeDamaged, FileNotFoundError) as error:
            _log.warning("damaged cached encode removed", cache_key=key, why=str(error))
            with contextlib.suppress(OSError):  # on a read-only disk it stays, unlisted
                remove(folder, key)
        else:
            yield record


def _record(folder: Path, key: str) -> Record:
    """Raises CachedEncodeDamaged, and OSError if there are no packets."""
    record = read_sidecar(folder, key).record
    size = media_path(folder, key).stat().st_size
    if size != record.bytes:
        raise CachedEncodeDamaged(f"it has {size} bytes instead of {record.bytes}")
    return record


def is_complete(folder: Path, key: str) -> bool:
    """Whether both files are there and fit together; the packets are not read."""
    try:
        _record(folder, key)
    except (CachedEncodeDamaged, OSError):
        return False
    return True


def is_being_written(folder: Path, key: str) -> bool:
    """Whether a process is writing this key now. Raises OSError."""
    return any(_is_locked(folder / name) for name in list_folder(folder).parts if name.startswith(f"{key}."))


def sweep(folder: Path) -> None:
    """Remove what a killed process left: unlocked unfinished files, and files without their counterpart. Raises OSError.

    Call it under the folder lock, under which both files of an encode are renamed and removed.
    """
    listing = list_folder(folder)
    for name in listing.parts:
        if not _is_locked(folder / name):
            (folder / name).unlink(missing_ok=True)
    for key in listing.media ^ listing.sidecars:
        remove(folder, key)


def remove(folder: Path, key: str) -> None:
    """Remove both files, even if they are open: an open reader can read on. Raises OSError."""
    media_path(folder, key).unlink(missing_ok=True)
    sidecar_path(folder, key).unlink(missing_ok=True)


def remove_unless_open(folder: Path, key: str) -> bool:
    """Remove both files unless a reader has them open: False then. Raises OSError."""
    try:
        descriptor = os.open(media_path(folder, key), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        remove(folder, key)
        return True
    try:
        if not locks.lock_exclusive(descriptor):
            return False
        remove(folder, key)
        return True
    finally:
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    """Whether a process is still writing it; a sidecar is locked through its packets' file."""
    try:
        descriptor = os.open(path.with_suffix(PART), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not locks.lock_exclusive(descriptor)
    finally:
        os.close(descriptor)
