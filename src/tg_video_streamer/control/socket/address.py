"""Where the control socket lies, and how to reach it although a Unix socket's address holds 107 bytes only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tg_video_streamer.errors import ControlError

SOCKET_NAME = "control.sock"
MAX_ADDRESS_BYTES = 107
"""Size of `sun_path` on Linux less its closing zero byte: unix(7)."""


def socket_path(folder: Path) -> Path:
    """The control socket of the service whose STATE_DIR is `folder`."""
    return folder / SOCKET_NAME


@contextmanager
def short_address(folder: Path) -> Iterator[str]:
    """An address for bind and connect, valid inside the `with`: the path itself, or a short way to it through /proc.

    Raises OSError where the folder cannot be opened, ControlError where the path is too long and there is no /proc.
    """
    path = os.fspath(socket_path(folder))
    if len(os.fsencode(path)) <= MAX_ADDRESS_BYTES:
        yield path
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        door = f"/proc/self/fd/{descriptor}"
        if not Path(door).exists():
            raise ControlError.of("claim.long_path", path=str(path), limit=MAX_ADDRESS_BYTES)
        yield f"{door}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)
