"""Runs a worker of the farm: an encoding process for each job, which is killed where it stands still."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from tg_video_streamer.app.fleet import host_name
from tg_video_streamer.app.shared_encodes import store_of
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import DiskHangs, JobFailed, StoreUnusable, WorkerStalled
from tg_video_streamer.feed.overlay.branding import logo_digest
from tg_video_streamer.ffmpeg.runner import PIPE, Child
from tg_video_streamer.fleet.address import fleet_address
from tg_video_streamer.fleet.connection import FleetConnection
from tg_video_streamer.fleet.jobs import EncodeJob, FileSeen
from tg_video_streamer.fleet.store import KnownSource
from tg_video_streamer.fleet.worker import Encoded, FarmWorker, Progressed
from tg_video_streamer.library.files import media_path, sidecar_path
from tg_video_streamer.logs import configure_logs
from tg_video_streamer.playlist.load import allowed_folders
from tg_video_streamer.settings.settings import LoadedSettings, secret_values

log = structlog.get_logger(__name__)

STALL_SECONDS = 30.0
"""An encode that makes no progress for so long is killed."""
START_UP_SECONDS = 150.0
"""Before its first progress it may try the format, find the source, and wait for a site."""
_LOOK_SECONDS = 0.5
_NICE = 15
_STORE_PAUSE_SECONDS, _STORE_ATTEMPTS = 5.0, 120
"""So long a finished encode waits for the store."""


def run_worker(loaded: LoadedSettings, *, places: int) -> int:
    """Take jobs until SIGINT or SIGTERM; the exit code."""
    configure_logs(loaded.settings.log_format, secrets=secret_values(loaded.settings))
    asyncio.run(_run(loaded, places))
    return 0


def usual_places() -> int:
    """One for every four cores, with one core left to the rest of the host: an encode uses several."""
    return max(1, (len(os.sched_getaffinity(0)) - 1) // 4)


async def _run(loaded: LoadedSettings, places: int) -> None:
    settings = loaded.settings
    address = fleet_address(settings.fleet, settings.fleet_credentials.get_secret_value(), settings.fleet_ca)
    name = host_name(settings)
    jobs = JobRunner(loaded, settings.state_dir / "worker", places)
    worker = FarmWorker(
        FleetConnection(address, host=f"{name} (worker)"),
        name,
        places=places,
        encode=jobs.encode,
        sees=jobs.sees,
        logo=await asyncio.to_thread(logo_digest, settings.logo),
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(worker.run())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        log.info("worker ready", worker=name, places=places)


class JobRunner:
    """Gives each running job a folder and a process; belongs to the event loop."""

    def __init__(
        self,
        loaded: LoadedSettings,
        folder: Path,
        places: int,
        *,
        stall_seconds: float = STALL_SECONDS,
        start_up_seconds: float = START_UP_SECONDS,
    ) -> None:
        """`folder` is only this worker's."""
        self._loaded = loaded
        self._stall_seconds = stall_seconds
        self._start_up_seconds = start_up_seconds
        self._folders = [folder / str(number) for number in range(places)]
        self._store = store_of(loaded.settings)
        self._allowed = allowed_folders(loaded.settings.playlist, loaded.settings.media_dirs)

    async def sees(self, file: FileSeen) -> bool:
        """Whether this host may read the same file at the same place."""

        def look() -> bool:
            path = Path(file.path)
            try:
                found = path.stat()
            except OSError:
                return False
            same = (found.st_size, found.st_mtime_ns) == (file.size, file.modified_ns)
            return same and self._allowed.contains_real(file.path)

        with suppress(DiskHangs):
            return await DISKS.run_within(START_SECONDS, Path(file.path), look)
        return False

    async def encode(self, job: EncodeJob, progressed: Progressed) -> Encoded:
        """See `worker.Encode`."""
        folder = self._folders.pop(0)
        try:
            await asyncio.to_thread(_make_empty, folder)
            encoded = await self._in_process(job, folder, progressed)
            await self._put(job, encoded, folder / "library")
        finally:
            self._folders.append(folder)
        return encoded

    async def _in_process(self, job: EncodeJob, folder: Path, progressed: Progressed) -> Encoded:
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "tg_video_streamer.app.encode_job",
            folder,
            self._loaded.env_file or "",
        ]
        async with Child.start(
            command,
            stdin=job.encode(),
            stdout=PIPE,
            nice=_NICE,
            environment=dict(os.environ),
            grace_seconds=2.0,
        ) as child:
            await self._watch(child, progressed)
            code = await child.wait()
            if code != 0:
                raise WorkerStalled.of("job.ended", code=code, detail=child.stderr_tail[-500:] or "-")
            result = _last_line(child)
        if "encoded" not in result:
            raise JobFailed.of("job.failed", why=str(result.get("failed", "-")))
        return Encoded(**result["encoded"])

    async def _watch(self, child: Child, progressed: Progressed) -> None:
        """Until its end. Raises WorkerStalled where it stands still."""
        now = asyncio.get_running_loop().time
        written, moved_at, limit = 0, now(), self._start_up_seconds
        ended = asyncio.ensure_future(child.wait())
        try:
            while not ended.done():
                await asyncio.wait((ended,), timeout=_LOOK_SECONDS)
                if len(child.stdout) > written:
                    written, moved_at = len(child.stdout), now()
                    words = _last_line(child)
                    if "done" in words:
                        limit = self._stall_seconds
                        progressed(words["done"], words["whole"])
                elif now() - moved_at > limit:
                    raise WorkerStalled.of("job.stalled", seconds=limit)
        finally:
            ended.cancel()

    async def _put(self, job: EncodeJob, encoded: Encoded, library: Path) -> None:
        """Put it into the store, which may be away for a while. Raises StoreUnusable."""
        sidecar = await asyncio.to_thread(sidecar_path(library, encoded.key).read_bytes)
        source = KnownSource(
            source_id=encoded.source_id, title=encoded.title, duration_seconds=encoded.duration_seconds
        )
        for attempt in range(1, _STORE_ATTEMPTS + 1):
            try:
                await self._store.put(encoded.key, sidecar, media_path(library, encoded.key))
                await self._store.put_source(job.program_item().key, source)
            except StoreUnusable as error:
                if attempt == _STORE_ATTEMPTS:
                    raise
                log.warning("the store cannot be used; it is tried again", why=str(error))
                await asyncio.sleep(_STORE_PAUSE_SECONDS)
            else:
                return


def _make_empty(folder: Path) -> None:
    """The folder of a job keeps what was found out about the encoder, and nothing of the last job."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(folder / "library", ignore_errors=True)


def _last_line(child: Child) -> dict[str, Any]:
    """What it said last; empty before the first whole line."""
    *lines, _rest = bytes(child.stdout).rsplit(b"\n", 2)
    found: dict[str, Any] = json.loads(lines[-1]) if lines and lines[-1] else {}
    return found
