"""One service a STATE_DIR: takes the folder for this process and puts the listening control socket into it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path
from typing import Self

from tg_video_streamer.control.socket.address import short_address, socket_path
from tg_video_streamer.errors import ControlError

BACKLOG = 128


class ClaimedFolder:
    """A STATE_DIR that is ours until `close`; clients that come before the server serves, wait in the backlog.

    The claim is a lock of the kernel on the folder itself, so it ends with the process however that ends, needs no
    file, and two services that start in the same moment cannot both get it.
    """

    def __init__(self, folder: Path) -> None:
        """Take `folder` (made 0700 where it is missing). Raises ControlError where a live service has it, or it cannot be used."""
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(folder)
        except OSError as error:
            raise ControlError.of("claim.folder", folder=str(folder), detail=str(error.strerror)) from error
        try:
            _remove_stale(socket_path(folder))
            self.listener = _listen(folder)
        except OSError as error:
            os.close(self._lock)
            raise ControlError.of("claim.socket", folder=str(folder), detail=str(error.strerror)) from error
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Remove the socket and give the folder up; closing twice is harmless."""
        if self._lock < 0:
            return
        self.listener.close()
        # A socket that cannot be removed is a stale one from here on, and the next service replaces it.
        with contextlib.suppress(OSError):
            socket_path(self.folder).unlink()
        os.close(self._lock)
        self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _locked(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ControlError.of("service.running", folder=str(folder)) from error
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlError.of("claim.no_socket", path=str(path))
    path.unlink()


def _listen(folder: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        # Linux gives the socket's file the mode that the socket has when it is bound, so it never stands open to
        # others, and the umask, which belongs to every thread, is left alone.
        os.fchmod(listener.fileno(), 0o600)
        with short_address(folder) as address:
            listener.bind(address)
        listener.listen(BACKLOG)
        listener.settimeout(0)
    except BaseException:
        listener.close()
        raise
    return listener
