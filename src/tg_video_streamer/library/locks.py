"""Locks of the kernel on the library's files: they end with the process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_POLL_SECONDS = 0.01


def lock_shared(descriptor: int) -> bool:
    """Take the lock of a reader; False where somebody is writing or removing the file."""
    return _lock(descriptor, fcntl.LOCK_SH)


def lock_exclusive(descriptor: int) -> bool:
    """Take the lock of a writer; False where anybody has the file open."""
    return _lock(descriptor, fcntl.LOCK_EX)


def unlock(descriptor: int) -> None:
    """Give the lock up and keep the file open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_linked(descriptor: int) -> bool:
    """Whether the open file still has its name: who locks it may have come after who removed it."""
    return os.fstat(descriptor).st_nlink > 0


@contextlib.contextmanager
def folder_lock(folder: Path, *, patience_seconds: float) -> Iterator[bool]:
    """Held while names in the folder change in more than one step; gives False where it was not to be had.

    A process that is stopped while it holds the lock holds up nobody for longer than `patience_seconds`. OSError where
    the folder cannot be written to.
    """
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + patience_seconds
        while not (held := lock_exclusive(descriptor)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        yield held
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
