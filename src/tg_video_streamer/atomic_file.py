"""Replaces a file whole: a reader at any moment, and after any crash, finds the old content or the new."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600
Step = Callable[[str], None]
"""Called with the name of each system call that changes something, just before it: tests kill the process there."""


def _no_step(_name: str) -> None:
    """Run without a test."""


def replace_file(path: Path, content: bytes, *, mode: int = PRIVATE, durable: bool = True) -> None:
    """Replace `path` by `content`; with `durable` it survives a power failure. Raises OSError; the old file stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        create_file(temporary, content, mode=mode, durable=durable)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def create_file(
    path: Path,
    content: bytes,
    *,
    mode: int = PRIVATE,
    durable: bool = True,
    owner: os.stat_result | None = None,
    step: Step = _no_step,
) -> None:
    """Create `path`, in place of what a killed writer left there; `mode` and `owner` count from the first byte.

    Raises OSError; nothing is left then.
    """
    step(f"unlink {path.name}")
    path.unlink(missing_ok=True)
    step(f"create {path.name}")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - from a descriptor, since the mode counts from the start
            os.fchmod(descriptor, mode)  # the umask may have taken bits away
            if owner is not None:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            step(f"write {path.name}")
            file.write(content)
            file.flush()
            if durable:
                step(f"sync {path.name}")
                os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power failure. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
