"""Reports changes of files and folders: kernel notices wake the watch early, a look at the file decides."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from pathlib import Path

import structlog
from watchfiles import awatch

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
"""The latest that a change is seen where the kernel reports none: network disks, missing folders."""
_SETTLE_SECONDS = 0.15
_SETTLE_LONGEST_SECONDS = 2.0

Fingerprint = tuple[str, int, int, int, int] | None
"""Differs after each change of the file, of a link to it, or of the link's target; None: there is no file."""


def fingerprint(path: Path) -> Fingerprint:
    """The fingerprint of the file that `path` leads to now."""
    real = os.path.realpath(path)
    try:
        found = os.stat(real)  # noqa: PTH116 - of realpath, whose answer is a string
    except OSError:
        return None
    return real, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class FileWatch:
    """Watches one file, the targets of its links included."""

    def __init__(self, path: Path | None, *, poll_seconds: float = POLL_SECONDS) -> None:
        """Without a path nothing ever changes."""
        self._path = path.absolute() if path is not None else None
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._seen = self._fingerprint()

    def follow(self, path: Path) -> None:
        """Watch another file from now on, and end a wait that is under way."""
        self._path = path.absolute()
        self.wake()

    def wake(self) -> None:
        """End a wait that is under way, or the next one, as if the file had changed."""
        self._wake.set()

    def mark_read(self) -> None:
        """The file is about to be read: its present state counts as seen."""
        self._seen = self._fingerprint()

    async def changed(self, seconds: float | None = None) -> bool:
        """Wait until the file differs from the last `mark_read`, or `wake`; False after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._differs()
                await self.settled()
        except TimeoutError:
            return False
        return True

    async def settled(self) -> None:
        """Wait until the file was left alone for a moment: editors truncate first and write then."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _SETTLE_LONGEST_SECONDS
        before = self._fingerprint()
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            after = self._fingerprint()
            if after == before or loop.time() > give_up:
                return
            before = after

    async def _differs(self) -> None:
        if self._path is None:
            await self._wake.wait()
        while not self._wake.is_set() and self._fingerprint() == self._seen:
            async with aclosing(notices(self._folders(), self._wake, poll_seconds=self._poll_seconds)) as happened:
                async for _ in happened:
                    if self._fingerprint() != self._seen:
                        break
        self._wake.clear()

    def _folders(self) -> set[Path]:
        """Those of the file and of its link's target: a change in either may be one of the file."""
        return {path.parent for path in (self._path, self._path and Path(os.path.realpath(self._path))) if path}

    def _fingerprint(self) -> Fingerprint:
        return fingerprint(self._path) if self._path is not None else None


async def notices(
    folders: Iterable[Path], wake: asyncio.Event, *, poll_seconds: float, recursive: bool = False
) -> AsyncGenerator[bool, None]:
    """True after a change in `folders`, False every `poll_seconds` without one; ends with `wake`.

    Where the kernel cannot watch (no such folder, no inotify watch left, a name that is not UTF-8) it yields False once
    after `poll_seconds`, and ends.
    """
    try:
        async for changes in awatch(
            *folders,
            watch_filter=None,
            debounce=1000,
            step=500,  # it wakes a thread so often, also where nothing ever happens
            stop_event=wake,
            rust_timeout=round(poll_seconds * 1000),
            yield_on_timeout=True,
            recursive=recursive,
        ):
            yield bool(changes)
    except Exception as error:  # noqa: BLE001 - awatch raises groups of its own errors; polling replaces it whatever it was
        log.debug("polled instead of watched", why=repr(error))
        try:
            async with asyncio.timeout(poll_seconds):
                await wake.wait()
        except TimeoutError:
            yield False
