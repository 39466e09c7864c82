"""A private copy of the operator's cookies for one yt-dlp, which writes to its cookie file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

_PREFIX = "yt-dlp-cookies-"

log = structlog.get_logger(__name__)


@contextmanager
def private_copy(cookies: Path | None, folder: Path) -> Iterator[Path | None]:
    """The path of a 0600 copy in `folder`, deleted at the end of the block; None without cookies.

    An unreadable file is only a warning: most sources play without cookies.
    """
    if cookies is None:
        yield None
        return
    try:
        data = cookies.read_bytes()
    except OSError as error:
        log.warning("YTDLP_COOKIES cannot be read, continuing without cookies", file=str(cookies), why=error.strerror)
        yield None
        return
    descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=".txt", dir=folder)  # has mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def remove_left_copies(folder: Path) -> None:
    """Delete the copies that a killed service has left in `folder`."""
    for left in folder.glob(f"{_PREFIX}*.txt"):
        left.unlink(missing_ok=True)
