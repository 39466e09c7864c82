"""The operator's cookies for one yt-dlp: a private copy, since yt-dlp writes the file that it is given."""

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
    """The path of a 0600 copy in `folder`, deleted at the end of the block; None where there are none to copy.

    A file that cannot be read is a warning and no error: most sources play without cookies.
    """
    if cookies is None:
        yield None
        return
    try:
        data = cookies.read_bytes()
    except OSError as error:
        log.warning("YTDLP_COOKIES cannot be read, going on without", file=str(cookies), why=error.strerror)
        yield None
        return
    descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=".txt", dir=folder)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def remove_left_copies(folder: Path) -> None:
    """Delete what a killed service has left in `folder`."""
    for left in folder.glob(f"{_PREFIX}*.txt"):
        left.unlink(missing_ok=True)
