"""A channel's side of the farm: asks who can encode an item, hands it over, follows it, and fetches the encode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog
from nats.errors import Error as NatsError

from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import FleetUnreachable, StoreUnusable
from tg_video_streamer.fleet.connection import ANSWER_SECONDS, FleetConnection, answer_within
from tg_video_streamer.fleet.jobs import (
    ASK_SUBJECT,
    OPEN,
    EncodeJob,
    FileSeen,
    JobReport,
    JobReports,
    JobState,
    Offer,
    ask_message,
    job_subject,
    make_stream,
    offered,
)
from tg_video_streamer.fleet.shared_library import SharedLibrary
from tg_video_streamer.fleet.store import KnownSource
from tg_video_streamer.playlist.item import Item, LocatorKind

log = structlog.get_logger(__name__)

QUIET_SECONDS = 20.0
"""After a question that nobody could take, the next one waits so long."""
LOST_SECONDS = 60.0
"""A job of which nothing was heard for so long is given to another worker, or encoded here."""
NEXT_ITEMS = 3
"""Of the next items the jobs come first."""


class Farm:
    """Hands one item at a time; belongs to the event loop."""

    def __init__(
        self,
        connection: FleetConnection,
        shared: SharedLibrary,
        *,
        settings: Callable[[], Mapping[str, Any]],
        headers: tuple[bytes, bytes],
        logo: Callable[[], str],
        clock: Clock,
    ) -> None:
        """`settings`: those of the channel that change picture or sound. `headers`: of picture and sound."""
        self._connection = connection
        self._reports = JobReports(connection)
        self._shared = shared
        self._settings = settings
        self._headers = headers
        self._logo = logo
        self._clock = clock
        self._heard: dict[str, tuple[JobReport, float]] = {}
        """The last new word of each job, and when it was heard."""
        self._quiet_until = float("-inf")
        self.handed = 0
        """Jobs that were given out."""

    async def take(self, item: Item, place: int) -> bool:
        """Whether a worker encodes the item, or has done so; False: this host should do it."""
        job = EncodeJob.of(item, settings=self._settings(), headers=self._headers, logo=self._logo())
        try:
            report = await self._reports.read(job.id)
            if report is not None and report.state not in OPEN:
                self._heard[job.id] = (report, self._clock.monotonic())
            if report is not None and report.state is JobState.DONE:
                return await self._fetch(item, job, report)
            if report is not None and report.state is JobState.FAILED:
                return False
            if report is not None and report.state in OPEN and not self._is_lost(job, report):
                return True
            return await self._hand_over(item, job, place, lost=report)
        except (FleetUnreachable, NatsError, TimeoutError) as error:
            log.debug("the farm cannot be asked", why=str(error))
            return False

    async def _fetch(self, item: Item, job: EncodeJob, report: JobReport) -> bool:
        source = KnownSource(source_id=report.source_id, title=report.title, duration_seconds=report.duration_seconds)
        try:
            if await self._shared.receive(item, source, report.key):
                return True
        except StoreUnusable as error:
            log.info("what a worker has encoded cannot be fetched", key=item.key, why=str(error))
            return False
        # It was pruned, or is damaged: it is encoded again.
        await self._reports.write(job.id, JobReport(state=JobState.GIVEN_UP, worker=report.worker))
        return False

    def _is_lost(self, job: EncodeJob, report: JobReport) -> bool:
        """Whether its worker was silent for too long, by this host's clock."""
        now = self._clock.monotonic()
        known, since = self._heard.get(job.id, (None, now))
        if known != report:
            self._heard[job.id] = (report, now)
            return False
        return now - since >= LOST_SECONDS

    async def _hand_over(self, item: Item, job: EncodeJob, place: int, *, lost: JobReport | None) -> bool:
        if self._clock.monotonic() < self._quiet_until:
            return False
        offers = [one for one in await self.offers(item) if lost is None or one.worker != lost.worker]
        best = max(offers, key=lambda one: one.free, default=None)
        if best is None or best.free < 1:
            if item.kind is not LocatorKind.FILE:
                self._quiet_until = self._clock.monotonic() + QUIET_SECONDS
            return False
        await self.give(item, job, place, best.worker)
        return True

    async def give(self, item: Item, job: EncodeJob, place: int, worker: str) -> None:
        """Give the job to a worker. Raises FleetUnreachable, NatsError and TimeoutError."""
        report = JobReport(state=JobState.WAITING, worker=worker)
        await self._reports.write(job.id, report)
        self._heard[job.id] = (report, self._clock.monotonic())
        subject = job_subject(worker, 1 if place < NEXT_ITEMS else 2)
        async with answer_within(2 * ANSWER_SECONDS):
            await make_stream(self._connection)
            await self._connection.jetstream().publish(subject, job.encode())
        self.handed += 1
        log.info("item handed to a worker", key=item.key, title=item.title, worker=worker)

    async def offers(self, item: Item) -> list[Offer]:
        """Who can take the item now. Raises NatsError."""
        file = None
        if item.kind is LocatorKind.FILE:
            file = await DISKS.run_within(START_SECONDS, Path(item.locator), _look, item.locator)
            if file is None:
                return []
        try:
            answers = await self._connection.ask_all(ASK_SUBJECT, ask_message(file, self._logo()))
            return [offered(one) for one in answers]
        except ValueError as error:
            log.warning("a worker answers in another way; is its version another one?", why=str(error))
            return []

    def jobs(self) -> dict[str, int]:
        """This channel's jobs by state, as far as they were heard of."""
        return dict(Counter(str(report.state) for report, _ in self._heard.values()))


def _look(path: str) -> FileSeen | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return FileSeen(path=path, size=found.st_size, modified_ns=found.st_mtime_ns)
