"""Runs file operations in threads with deadlines: a disk that hangs holds up only what waits for that disk.

Each disk has its own few threads, so that one that hangs does not use up those of the others. The threads are daemons:
the process ends without waiting for a system call that never returns.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from tg_video_streamer.daemon_executor import DaemonExecutor
from tg_video_streamer.errors import DiskHangs
from tg_video_streamer.mounts import Mount, is_within, mount_of

log = structlog.get_logger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

DEADLINE_SECONDS = 10.0
"""Of one operation, from when its thread begins with it: a sleeping disk needs some seconds to spin up."""
START_SECONDS = 3.0
"""The same at the start and where the program waits: the last known answer is better than a long wait."""
THREADS = 8
"""Of one disk at most, those that hang included."""
TRY_AGAIN_SECONDS = 5.0
"""How often a disk that hangs is tried again; what hangs in it answers by itself once the disk returns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HangingDisk:
    """A folder that does not answer, as it is shown."""

    folder: str
    mount: Mount
    seconds: float


@dataclass(kw_only=True, eq=False, slots=True)
class _Job:
    """One operation."""

    seconds: float
    began: float | None = None

    def is_late(self, now: float) -> bool:
        return self.began is not None and now - self.began >= self.seconds

    def seconds_left(self, now: float) -> float:
        return self.seconds if self.began is None else max(0.01, self.began + self.seconds - now)


@dataclass(kw_only=True, eq=False, slots=True)
class _Lane:
    """The operations on one disk; `running` and `hangs_since` change with the lock only."""

    folder: str
    executor: DaemonExecutor = field(default_factory=partial(DaemonExecutor, most_threads=THREADS, name="disk"))
    running: set[_Job] = field(default_factory=set)
    hangs_since: float | None = None
    tried: float = 0.0

    def may_begin(self, now: float) -> bool:
        """Whether one more operation may begin now; where the disk hangs, one at a time tries it."""
        if self.hangs_since is None:
            return True
        return now - self.tried >= TRY_AGAIN_SECONDS and len(self.running) < THREADS


class Disks:
    """Thread-safe. One for the process (`DISKS`), since a thread that hangs is lost to all of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}
        self._folders: tuple[str, ...] = ()
        self._on_return: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []

    def know(self, folders: Iterable[Path]) -> None:
        """Folders that may lie on disks of their own: each has its own threads, as each mount has."""
        known = {_plain(folder) for folder in folders} | {*self._folders}
        self._folders = tuple(sorted(known, key=len, reverse=True))

    def on_return(self, subscriber: Callable[[], None]) -> None:
        """Call `subscriber` in this event loop each time a disk answers again; once, however often it subscribes."""
        self._on_return = [(loop, one) for loop, one in self._on_return if not loop.is_closed()]
        subscription = (asyncio.get_running_loop(), subscriber)
        if subscription not in self._on_return:
            self._on_return.append(subscription)

    def hanging(self) -> tuple[HangingDisk, ...]:
        """Every disk that does not answer now; reads only the table of mounts."""
        now = time.monotonic()
        with self._lock:
            since = {lane.folder: lane.hangs_since for lane in self._lanes.values() if lane.hangs_since is not None}
        return tuple(
            HangingDisk(folder=folder, mount=mount_of(folder), seconds=now - began) for folder, began in since.items()
        )

    def hangs(self, path: Path) -> bool:
        """Whether the disk of `path` does not answer now."""
        lane = self._lanes.get(self._folder_of(path))
        return lane is not None and lane.hangs_since is not None

    async def run(
        self,
        path: Path,
        work: Callable[Parameters, Result],
        /,
        *arguments: Parameters.args,
        **options: Parameters.kwargs,
    ) -> Result:
        """`work` in a thread of the disk of `path`. Raises what it raises, or DiskHangs after DEADLINE_SECONDS."""
        return await self._run(DEADLINE_SECONDS, path, partial(work, *arguments, **options))

    async def run_within(
        self,
        seconds: float,
        path: Path,
        work: Callable[Parameters, Result],
        /,
        *arguments: Parameters.args,
        **options: Parameters.kwargs,
    ) -> Result:
        """The same with another deadline."""
        return await self._run(seconds, path, partial(work, *arguments, **options))

    def wait(
        self,
        seconds: float,
        path: Path,
        work: Callable[Parameters, Result],
        /,
        *arguments: Parameters.args,
        **options: Parameters.kwargs,
    ) -> Result:
        """The same for a caller that cannot await, which stands still so long; a disk that hangs is not tried again here."""
        if self.hangs(path):
            raise _hangs(self._folder_of(path))
        lane, job = self._admitted(path), _Job(seconds=seconds)
        future = lane.executor.submit(self._timed, lane, job, partial(work, *arguments, **options))
        try:
            while True:
                try:
                    result: Result = future.result(job.seconds_left(time.monotonic()))
                except TimeoutError:
                    # Also an error of the operation itself.
                    if future.done():
                        raise
                    if self._is_given_up(lane, job):
                        raise _hangs(lane.folder) from None
                else:
                    return result
        finally:
            future.cancel()

    async def _run(self, seconds: float, path: Path, work: Callable[[], Result]) -> Result:
        lane, job = self._admitted(path), _Job(seconds=seconds)
        try:
            future = asyncio.get_running_loop().run_in_executor(lane.executor, self._timed, lane, job, work)
        except RuntimeError as error:
            # The system gives no thread: as with a disk that hangs, the last known answer counts.
            raise DiskHangs.of("disk.no_thread", path=lane.folder) from error
        try:
            while not future.done():
                await asyncio.wait((future,), timeout=job.seconds_left(time.monotonic()))
                if not future.done() and self._is_given_up(lane, job):
                    raise _hangs(lane.folder)
            return future.result()
        finally:
            future.cancel()

    def _admitted(self, path: Path) -> _Lane:
        """The lane of `path`, where an operation may begin. Raises DiskHangs."""
        folder, now = self._folder_of(path), time.monotonic()
        with self._lock:
            lane = self._lanes.get(folder)
            if lane is None:
                lane = self._lanes[folder] = _Lane(folder=folder)
            if not lane.may_begin(now):
                raise _hangs(folder)
            lane.tried = now
        return lane

    def _timed(self, lane: _Lane, job: _Job, work: Callable[[], Result]) -> Result:
        """Runs in the thread."""
        job.began = time.monotonic()
        with self._lock:
            lane.running.add(job)
        try:
            return work()
        finally:
            self._answered(lane, job)

    def _answered(self, lane: _Lane, job: _Job) -> None:
        with self._lock:
            lane.running.discard(job)
            hung, lane.hangs_since = lane.hangs_since, None
        if hung is None:
            return
        log.warning("a disk answers again", folder=lane.folder, seconds=round(time.monotonic() - hung, 1))
        for loop, subscriber in self._on_return:
            if not loop.is_closed():
                loop.call_soon_threadsafe(subscriber)

    def _is_given_up(self, lane: _Lane, job: _Job) -> bool:
        """Whether `job` is late, or waits for a thread while another one is late; then the disk hangs."""
        now = time.monotonic()
        with self._lock:
            late = job.is_late(now) or (job.began is None and any(one.is_late(now) for one in lane.running))
            begins = late and lane.hangs_since is None
            if begins:
                lane.hangs_since = now
        if begins:
            log.error("a disk does not answer", folder=lane.folder, mount=str(mount_of(lane.folder)))
        return late

    def _folder_of(self, path: Path) -> str:
        """The disk of `path` by its name: the innermost mount or known folder."""
        plain = _plain(path)
        mount = mount_of(plain).point
        return next((one for one in self._folders if len(one) > len(mount) and is_within(plain, one)), mount)


def _plain(path: Path) -> str:
    return os.path.normpath(path.absolute())


def _hangs(folder: str) -> DiskHangs:
    return DiskHangs.of("disk.hangs", path=folder, mount=str(mount_of(folder)))


DISKS = Disks()
"""Those of this process."""
