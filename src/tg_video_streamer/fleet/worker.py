"""A worker's side of the farm: offers its free places, takes its jobs, and says how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version as installed_version

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.client import JetStreamContext

from tg_video_streamer.errors import FleetUnreachable, JobFailed, StreamerError, WorkerStalled
from tg_video_streamer.fleet.connection import ANSWER_SECONDS, FleetConnection, answer_within
from tg_video_streamer.fleet.jobs import (
    ASK_SUBJECT,
    BEAT_SECONDS,
    JOBS,
    MOST_DELIVERIES,
    OPEN,
    PRIORITIES,
    WORKERS_SUBJECT,
    EncodeJob,
    FileSeen,
    JobReport,
    JobReports,
    JobState,
    WorkerReport,
    asked,
    consumer,
    make_stream,
)

log = structlog.get_logger(__name__)

_TAKE_SECONDS = 2.0
"""A pull waits so long for a job."""
_AGAIN_SECONDS = 5.0
"""A job whose encode was killed is given out again after so long, times its attempts."""
_GIVE_IN_SECONDS = 3600.0
"""So long a worker that has lost NATS tries to say what it has done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """What a job gave; the encode is in the store."""

    key: str
    source_id: str
    title: str
    duration_seconds: float | None


Progressed = Callable[[float, float | None], None]
"""Is told the seconds done, and all of them where they are known."""
Encode = Callable[[EncodeJob, Progressed], Awaitable[Encoded]]
"""Encodes a job and puts it into the store. Raises JobFailed, WorkerStalled and StoreUnusable."""


class FarmWorker:
    """Takes as many jobs at once as it has places; belongs to the event loop."""

    def __init__(
        self,
        connection: FleetConnection,
        name: str,
        *,
        places: int,
        encode: Encode,
        sees: Callable[[FileSeen], Awaitable[bool]],
        logo: str,
    ) -> None:
        """`name` is this worker's, and stays the same over restarts. `sees`: whether a file is the same on this host."""
        self._connection = connection
        self._name = name
        self._places = places
        self._encode = encode
        self._sees = sees
        self._logo = logo
        self._reports = JobReports(connection)
        self._running: dict[str, _Running] = {}

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._connection.run())
            await self._connection.connected.wait()
            await self._connection.client.subscribe(ASK_SUBJECT, cb=self._offer)
            await self._connection.client.subscribe(WORKERS_SUBJECT, cb=self._tell)
            for _ in range(self._places):
                tasks.create_task(self._serve())

    async def _offer(self, question: Msg) -> None:
        """Only a worker that can do it answers."""
        try:
            file, logo = asked(question.data)
        except ValueError:
            return
        free = self._places - len(self._running)
        if free < 1 or logo not in {"", self._logo} or (file is not None and not await self._sees(file)):
            return
        with suppress(NatsError):
            await question.respond(b'{"worker": "%s", "free": %d}' % (self._name.encode(), free))

    async def _tell(self, question: Msg) -> None:
        report = WorkerReport(
            worker=self._name,
            places=self._places,
            version=installed_version("tg-video-streamer"),
            jobs=tuple(one.text() for one in self._running.values()),
        )
        with suppress(NatsError):
            await question.respond(report.encode())

    async def _serve(self) -> None:
        # Where the connection is closed first, nats-py tells a cancellation as an error.
        while not self._connection.client.is_closed:
            try:
                message = await self._take()
            except (FleetUnreachable, NatsError, TimeoutError):
                await asyncio.sleep(_TAKE_SECONDS)
                continue
            if message is not None:
                await self._work(message)

    async def _take(self) -> Msg | None:
        """The next job, of the first priority if there is one."""
        for priority in PRIORITIES:
            with suppress(TimeoutError):
                async with answer_within(2 * _TAKE_SECONDS):
                    queue = await self._queue(priority)
                    (message,) = await queue.fetch(1, timeout=_TAKE_SECONDS / len(PRIORITIES))
                    return message
        return None

    async def _queue(self, priority: int) -> JetStreamContext.PullSubscription:
        await make_stream(self._connection)
        settings = consumer(self._name, priority)
        return await self._connection.jetstream().pull_subscribe(
            settings.filter_subject or "", durable=settings.durable_name, stream=JOBS, config=settings
        )

    async def _work(self, message: Msg) -> None:
        try:
            job = EncodeJob.decode(message.data)
        except ValueError as error:
            log.warning("a job cannot be read; is this worker's version an older one?", why=str(error))
            await _say(message.term)
            return
        if await self._is_settled(job):
            await _say(message.ack)
            return
        running = self._running[job.id] = _Running(job=job, worker=self._name)
        try:
            async with asyncio.TaskGroup() as tasks:
                beats = tasks.create_task(self._beat(message, running))
                report = await self._encoded(job, running, attempt=message.metadata.num_delivered)
                beats.cancel()
        finally:
            del self._running[job.id]
        if report is None:
            again = partial(message.nak, delay=_AGAIN_SECONDS * message.metadata.num_delivered)
            await _say(again)
            return
        await self._give_in(job, report)
        await _say(message.ack)

    async def _is_settled(self, job: EncodeJob) -> bool:
        """Whether it was given in already, or given to another worker since."""
        with suppress(FleetUnreachable):
            known = await self._reports.read(job.id)
            return known is not None and (known.state not in OPEN or known.worker != self._name)
        return False

    async def _encoded(self, job: EncodeJob, running: _Running, *, attempt: int) -> JobReport | None:
        """How it ended; None: it is tried again."""
        log.info("job begins", key=job.program_item().key, attempt=attempt)
        try:
            encoded = await self._encode(job, running.progressed)
        except JobFailed as error:
            return self._failed(job, error)
        except (WorkerStalled, StreamerError) as error:
            log.warning("job broken off", key=job.program_item().key, attempt=attempt, why=str(error))
            return self._failed(job, error) if attempt >= MOST_DELIVERIES else None
        log.info("job done", key=job.program_item().key, title=encoded.title)
        return JobReport(
            state=JobState.DONE,
            worker=self._name,
            title=encoded.title,
            key=encoded.key,
            source_id=encoded.source_id,
            duration_seconds=encoded.duration_seconds,
        )

    def _failed(self, job: EncodeJob, error: StreamerError) -> JobReport:
        log.warning("job failed", key=job.program_item().key, why=str(error))
        return JobReport(state=JobState.FAILED, worker=self._name, why=str(error))

    async def _beat(self, message: Msg, running: _Running) -> None:
        while True:
            await _say(message.in_progress)
            with suppress(FleetUnreachable):
                await self._reports.write(running.job.id, running.report())
            await asyncio.sleep(BEAT_SECONDS)

    async def _give_in(self, job: EncodeJob, report: JobReport) -> None:
        """Say what came of it, also where NATS is back only later."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_IN_SECONDS):
                while True:
                    with suppress(FleetUnreachable):
                        await self._reports.write(job.id, report)
                        return
                    await asyncio.sleep(_TAKE_SECONDS)


@dataclass(kw_only=True)
class _Running:
    """How far a job is."""

    job: EncodeJob
    worker: str
    beats: int = 0
    done_seconds: float = 0.0
    whole_seconds: float | None = None

    def progressed(self, done: float, whole: float | None) -> None:
        """See `Progressed`."""
        self.done_seconds, self.whole_seconds = done, whole

    def text(self) -> str:
        """What it is, and how far."""
        item = self.job.program_item()
        name = item.title or item.locator.rpartition("/")[2]
        return f"{name} {self.done_seconds:.0f} s" + (f" / {self.whole_seconds:.0f} s" if self.whole_seconds else "")

    def report(self) -> JobReport:
        """The next word."""
        self.beats += 1
        return replace(
            JobReport(state=JobState.RUNNING, worker=self.worker, title=self.job.program_item().title),
            beats=self.beats,
            done_seconds=self.done_seconds,
            whole_seconds=self.whole_seconds,
        )


async def _say(answer: Callable[[], Awaitable[None]]) -> None:
    """Best effort: a job that was not acknowledged comes again, and is known to be done then."""
    with suppress(NatsError, TimeoutError):
        async with answer_within(ANSWER_SECONDS):
            await answer()
