"""Names in the library's folder, and what is done with them: found, swept, removed, synced."""

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
"""Ends the name of packets that are being written, KEY.RANDOM.part."""
SIDECAR_PART = ".json-part"
"""Ends the name of their sidecar until they get their place, KEY.RANDOM.json-part."""
_NAME = re.compile(r"([0-9a-f]{32})\.(flv|json)|[0-9a-f]{32}\.[0-9a-f]+(\.part|\.json-part)")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderListing:
    """What lies in the folder at one moment."""

    media: frozenset[str]
    """Keys with packets."""
    sidecars: frozenset[str]
    """Keys with a sidecar."""
    parts: tuple[str, ...]
    """Names of unfinished files."""

    @property
    def copies(self) -> frozenset[str]:
        """Keys with both."""
        return self.media & self.sidecars


def media_path(folder: Path, key: str) -> Path:
    """Where the packets of a copy are."""
    return folder / f"{key}.flv"


def sidecar_path(folder: Path, key: str) -> Path:
    """Where the sidecar of a copy is."""
    return folder / f"{key}.json"


def read_sidecar(folder: Path, key: str) -> Sidecar:
    """The sidecar of the copy `key`; raises CachedEncodeDamaged where there is none that is whole."""
    path = sidecar_path(folder, key)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CachedEncodeDamaged(f"the sidecar {path.name} of a kept copy cannot be read: {error.strerror}") from error
    sidecar = load_sidecar(content)
    if sidecar.record.key != key:
        raise CachedEncodeDamaged(f"the sidecar {path.name} belongs to another copy")
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
    """What the sidecars of these copies say; one that is damaged is removed with its packets, a later version's stays."""
    for key in sorted(keys):
        try:
            record = _record(folder, key)
        except CachedEncodeOfLaterVersion as error:
            _log.info("a kept copy is left alone", copy=key, why=error.what)
        except (CachedEncodeDamaged, FileNotFoundError) as error:
            _log.warning("a kept copy is damaged and removed", copy=key, why=str(error))
            with contextlib.suppress(OSError):  # on a read-only disk it stays, and is not listed
                remove(folder, key)
        else:
            yield record


def _record(folder: Path, key: str) -> Record:
    """Raises CachedEncodeDamaged, and OSError where there are no packets."""
    record = read_sidecar(folder, key).record
    size = media_path(folder, key).stat().st_size
    if size != record.bytes:
        raise CachedEncodeDamaged(f"a kept copy has {size} bytes instead of {record.bytes}")
    return record


def is_whole(folder: Path, key: str) -> bool:
    """Whether the copy is there, as far as can be told without reading its packets."""
    try:
        _record(folder, key)
    except (CachedEncodeDamaged, OSError):
        return False
    return True


def is_being_written(folder: Path, key: str) -> bool:
    """Whether a process is keeping a copy with this key now. Raises OSError."""
    return any(_is_held(folder / name) for name in list_folder(folder).parts if name.startswith(f"{key}."))


def sweep(folder: Path) -> None:
    """Remove what a killed process left: unfinished files that nobody holds, and halves of copies. Raises OSError.

    To be called under the lock of the folder: a copy gets and loses its two names under it.
    """
    listing = list_folder(folder)
    for name in listing.parts:
        if not _is_held(folder / name):
            (folder / name).unlink(missing_ok=True)
    for key in listing.media ^ listing.sidecars:
        remove(folder, key)


def remove(folder: Path, key: str) -> None:
    """Remove both files of a copy, whoever reads it; a reader keeps what it has open. Raises OSError."""
    media_path(folder, key).unlink(missing_ok=True)
    sidecar_path(folder, key).unlink(missing_ok=True)


def remove_unless_open(folder: Path, key: str) -> bool:
    """Remove a copy that nobody has open; False where somebody has. Raises OSError."""
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


def _is_held(path: Path) -> bool:
    """Whether a process is still writing it; a sidecar is held by the packets that it belongs to."""
    try:
        descriptor = os.open(path.with_suffix(PART), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not locks.lock_exclusive(descriptor)
    finally:
        os.close(descriptor)
