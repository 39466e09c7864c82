"""Tells a file that is still being copied or recorded from one that is complete."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_WRITER_SECONDS = 30.0
"""A file that is open for writing and has changed so lately is being written; a longer pause is a rest."""
_FRESH_SECONDS = 10.0
_LOOK_SECONDS = 0.5
"""Without a lease, a file that has changed so recently is checked twice."""
_INDEX_SECONDS = 600.0
"""So long after its last change an MP4 without an index is taken for one that is not finished yet."""


def is_still_written(path: Path, found: os.stat_result) -> bool:
    """Whether the file with the status `found` is being written now. Blocks for up to half a second; raises OSError."""
    age = time.time() - found.st_mtime
    if not 0 <= age < _WRITER_SECONDS:
        return False
    writer = _has_writer(path)
    if writer is not None or age > _FRESH_SECONDS:
        return bool(writer)
    time.sleep(_LOOK_SECONDS)
    again = path.stat()
    return (again.st_size, again.st_mtime_ns) != (found.st_size, found.st_mtime_ns)


def lacks_its_index(path: Path) -> bool:
    """Whether this is an MP4 that has changed lately and has no index yet. Raises OSError."""
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        lately = 0 <= time.time() - found.st_mtime < _INDEX_SECONDS
        return lately and file.read(8)[4:] == b"ftyp" and b"moov" not in _boxes(file, found.st_size)


def _boxes(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The types of the outermost boxes (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:])
        yield head[4:8]
        if length < 8:
            return
        at += length


def _has_writer(path: Path) -> bool | None:
    """Whether a process has it open for writing: then no read lease is given. None where the file system cannot say."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # A writer that comes while the lease is held would send SIGIO, which ends a process; SIGURG is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None  # another user's file, or a network disk
    finally:
        os.close(descriptor)
    return False
