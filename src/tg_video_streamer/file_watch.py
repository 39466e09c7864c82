"""Reports changes of files and folders: kernel notices wake the watch early, a look at the file decides."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path

import structlog
from watchfiles._rust_notify import RustNotify

from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs

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
    """Watches one file, the targets of its links included. While its disk does not answer, nothing has changed."""

    def __init__(self, path: Path | None, *, poll_seconds: float = POLL_SECONDS) -> None:
        """Without a path nothing ever changes; before the first `mark_read` a file that is there has changed."""
        self._path = path.absolute() if path is not None else None
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._seen: Fingerprint = None
        self._folders: frozenset[Path] = frozenset()
        """Those of the file and of its link's target: a change in either may be one of the file."""

    def follow(self, path: Path) -> None:
        """Watch another file from now on, and end a wait that is under way."""
        self._path = path.absolute()
        self.wake()

    def wake(self) -> None:
        """End a wait that is under way, or the next one, as if the file had changed."""
        self._wake.set()

    async def mark_read(self) -> None:
        """The file is about to be read: its present state counts as seen."""
        self._seen = await self._look()

    def mark_read_here(self) -> None:
        """The same in the caller's thread, which waits for the disk."""
        self._seen = fingerprint(self._path) if self._path is not None else None

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
        before = await self._look()
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            after = await self._look()
            if after == before or loop.time() > give_up:
                return
            before = after

    async def _differs(self) -> None:
        if self._path is None:
            await self._wake.wait()
        while not self._wake.is_set() and await self._look() == self._seen:
            async with aclosing(notices(self._folders, self._wake, poll_seconds=self._poll_seconds)) as happened:
                async for _ in happened:
                    if await self._look() != self._seen:
                        break
        self._wake.clear()

    async def _look(self) -> Fingerprint:
        """The file's state now; the one that was seen last where its disk does not answer."""
        path = self._path
        if path is None:
            return None
        try:
            found, self._folders = await DISKS.run(path, _look, path)
        except DiskHangs:
            return self._seen
        return found


def _look(path: Path) -> tuple[Fingerprint, frozenset[Path]]:
    return fingerprint(path), frozenset({path.parent, Path(os.path.realpath(path)).parent})


async def notices(
    folders: Iterable[Path], wake: asyncio.Event, *, poll_seconds: float, recursive: bool = False
) -> AsyncGenerator[bool, None]:
    """True after a change in `folders`, False every `poll_seconds` without one; ends with `wake`.

    Where the kernel cannot watch (no such folder, no inotify watch left, a name that is not UTF-8, a disk that does not
    answer) it yields False once after `poll_seconds`, and ends.
    """
    loop, changed, stop = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    ended, watched = asyncio.Event(), tuple(folders)

    def report(event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(event.set)

    def watch_folders() -> None:
        try:
            _watch(watched, stop, partial(report, changed), recursive=recursive)
        finally:
            report(ended)

    if not any(DISKS.hangs(folder) for folder in watched):
        threading.Thread(target=watch_folders, name="file watch", daemon=True).start()
    try:
        while not wake.is_set():
            happened = await _first((wake, changed), seconds=poll_seconds)
            if wake.is_set():
                return
            changed.clear()
            yield happened
            if ended.is_set():
                return
    finally:
        stop.set()


async def _first(events: Iterable[asyncio.Event], *, seconds: float) -> bool:
    """Wait for one of `events`; False after `seconds`."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    return bool(done)


def _watch(folders: tuple[Path, ...], stop: threading.Event, changed: Callable[[], None], *, recursive: bool) -> None:
    """Call `changed` once the watch runs and after each change until `stop`; returns where the kernel cannot watch.

    Runs in its own thread: already beginning to watch may hang, since it looks at the folders.
    """
    try:
        with RustNotify([str(folder) for folder in folders], False, False, 0, recursive, False) as watcher:  # noqa: FBT003 - it takes no names
            changed()
            # Step: it wakes the thread so often, also where nothing ever happens.
            while not isinstance(watcher.watch(debounce_ms=1000, step_ms=500, timeout_ms=0, stop_event=stop), str):
                changed()
    except Exception as error:  # noqa: BLE001 - it raises errors of its own; polling replaces it whatever it was
        log.debug("polled instead of watched", why=repr(error))
