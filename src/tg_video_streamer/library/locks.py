"""Kernel locks on the library's files, which end with the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_POLL_SECONDS = 0.01


def lock_shared(descriptor: int) -> bool:
    """Take a reader's lock; False while the file is being written or removed."""
    return _lock(descriptor, fcntl.LOCK_SH)


def lock_exclusive(descriptor: int) -> bool:
    """Take a writer's lock; False while a reader or writer has the file open."""
    return _lock(descriptor, fcntl.LOCK_EX)


def unlock(descriptor: int) -> None:
    """Release the lock; the file stays open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_linked(descriptor: int) -> bool:
    """Whether the open file still has a name: it may have been removed before it was locked."""
    return os.fstat(descriptor).st_nlink > 0


@contextlib.contextmanager
def folder_lock(folder: Path, *, wait_seconds: float) -> Iterator[bool]:
    """Hold the lock under which several names in the folder change together; gives False if it is not free in time.

    A process that hangs while it holds the lock delays others by `wait_seconds` at most. Raises OSError if the folder
    cannot be written to.
    """
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_seconds
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
