"""The file of an encode that is not complete yet, and the moment in which it and its sidecar get their names."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from tg_video_streamer.atomic_file import create_file, sync_folder
from tg_video_streamer.library import locks
from tg_video_streamer.library.files import PART, SIDECAR_PART, is_complete, media_path, sidecar_path

_LOCK_SECONDS = 10.0


def new_part(folder: Path, key: str) -> tuple[int, Path]:
    """A new, locked file for packets. Raises OSError."""
    while True:
        path = folder / f"{key}.{secrets.token_hex(8)}{PART}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        # Another process may remove it before it is locked; then another one is created.
        if locks.lock_exclusive(descriptor) and locks.is_linked(descriptor):
            return descriptor, path
        os.close(descriptor)
        path.unlink(missing_ok=True)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def name_files(part: Path, descriptor: int, key: str, sidecar: bytes) -> bool:
    """Sync the media in `part`, and give both files their names, unless the encode is there; False if the folder stays locked.

    Raises OSError.
    """
    folder = part.parent
    os.fsync(descriptor)
    sidecar_part = part.with_suffix(SIDECAR_PART)
    try:
        create_file(sidecar_part, sidecar)
        with locks.folder_lock(folder, wait_seconds=_LOCK_SECONDS) as held:
            if not held:
                return False
            if not is_complete(folder, key):
                sidecar_part.replace(sidecar_path(folder, key))
                part.replace(media_path(folder, key))
                sync_folder(folder)
            # From here on readers may lock it; it has its final name, so it is not cleaned up.
            locks.unlock(descriptor)
            return True
    finally:
        with contextlib.suppress(OSError):  # removed at the next start
            sidecar_part.unlink(missing_ok=True)
