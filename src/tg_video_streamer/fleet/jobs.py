"""Encode jobs: what a worker is to encode, where jobs wait, and what is said of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig
from nats.js.errors import KeyNotFoundError, NotFoundError
from nats.js.kv import KeyValue

from tg_video_streamer.fleet.bucket import FleetBucket
from tg_video_streamer.fleet.connection import FleetConnection
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.json_file import item_as_json, item_from_json

JOBS, REPORTS = "JOBS", "jobs"
ASK_SUBJECT, WORKERS_SUBJECT = "farm.ask", "farm.workers"
PRIORITIES = (1, 2)
"""1: among the next items of a program; taken first."""
BEAT_SECONDS = 10.0
"""How often a worker says that it still encodes."""
ACKNOWLEDGE_SECONDS = 30.0
"""A job whose worker says nothing for so long is given out again."""
MOST_DELIVERIES = 5
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodeJob:
    """One item in one format; pure: the same job gives the same encode on each host."""

    item: Mapping[str, Any]
    """As `item_as_json` writes it."""
    settings: Mapping[str, Any]
    """Those of the channel that change picture or sound, as JSON values."""
    video_header: str
    audio_header: str
    """In hexadecimal digits: an encode with other headers cannot be spliced."""
    logo: str
    """The digest of the logo on the picture, or empty."""

    @property
    def id(self) -> str:
        """The same for the same job, whoever asks for it."""
        return hashlib.blake2b(self.encode(), digest_size=16).hexdigest()

    def encode(self) -> bytes:
        """The message in the stream."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def of(cls, item: Item, *, settings: Mapping[str, Any], headers: tuple[bytes, bytes], logo: str) -> Self:
        """The job of an item."""
        video, audio = headers
        plain = item_as_json(item) | {"backup": None}
        plain.pop("backup")
        return cls(item=plain, settings=settings, video_header=video.hex(), audio_header=audio.hex(), logo=logo)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Raises ValueError where it is no job of this version."""
        try:
            found = cls(**json.loads(value))
            found.program_item()
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("no job of this version") from error
        return found

    def program_item(self) -> Item:
        """What is to be encoded. Raises KeyError, TypeError and ValueError."""
        return item_from_json(dict(self.item))


class JobState(StrEnum):
    """What is known of a job; GIVEN_UP by the channel, whose worker says nothing more."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    GIVEN_UP = "given_up"


OPEN = frozenset({JobState.WAITING, JobState.RUNNING})


@dataclass(frozen=True, kw_only=True, slots=True)
class JobReport:
    """The newest word about a job."""

    state: JobState
    worker: str
    title: str = ""
    done_seconds: float = 0.0
    whole_seconds: float | None = None
    beats: int = 0
    """Grows while it is worked on."""
    why: str = ""
    """Of a failure."""
    key: str = ""
    """Of the encode in the store."""
    source_id: str = ""
    duration_seconds: float | None = None

    def encode(self) -> bytes:
        """The value for the bucket."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Raises ValueError."""
        try:
            found = json.loads(value)
            return cls(**{**found, "state": JobState(found["state"])})
        except (TypeError, KeyError) as error:
            raise ValueError("no report of a job") from error


class JobReports:
    """The reports of all jobs, for a day. Each method may raise FleetUnreachable."""

    def __init__(self, connection: FleetConnection) -> None:
        """The bucket is made where it is missing."""
        self._bucket = FleetBucket(connection, REPORTS, forgets_seconds=_DAY_SECONDS)

    async def read(self, job: str) -> JobReport | None:
        """None where nobody said anything yet, or it cannot be read."""
        try:
            return JobReport.decode((await self._bucket.ask(KeyValue.get, job)).value or b"")
        except (KeyNotFoundError, ValueError):
            return None

    async def write(self, job: str, report: JobReport) -> None:
        """The newest word counts."""
        await self._bucket.ask(KeyValue.put, job, report.encode())

    async def all(self) -> dict[str, JobReport]:
        """By job."""
        found = {job: await self.read(job) for job in await self._bucket.keys()}
        return {job: report for job, report in found.items() if report is not None}


def job_subject(worker: str, priority: int) -> str:
    """Where a worker's jobs wait."""
    return f"jobs.{worker}.{priority}"


async def make_stream(connection: FleetConnection) -> None:
    """The stream of all jobs, made where it is missing. Raises what nats-py raises, and FleetUnreachable."""
    jetstream = connection.jetstream()
    try:
        await jetstream.stream_info(JOBS)
    except NotFoundError:
        await jetstream.add_stream(
            StreamConfig(
                name=JOBS,
                subjects=["jobs.>"],
                retention=RetentionPolicy.WORK_QUEUE,
                max_age=_DAY_SECONDS,
                num_replicas=connection.replicas,
            )
        )


def consumer(worker: str, priority: int) -> ConsumerConfig:
    """How a worker takes its jobs: acknowledged when they are done."""
    return ConsumerConfig(
        durable_name=f"{worker}-{priority}",
        filter_subject=job_subject(worker, priority),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACKNOWLEDGE_SECONDS,
        max_deliver=MOST_DELIVERIES,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSeen:
    """A local file, as a channel sees it: a worker must see the same one."""

    path: str
    size: int
    modified_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A worker's answer: it can take so many more jobs."""

    worker: str
    free: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerReport:
    """What a worker does now."""

    worker: str
    places: int
    version: str
    jobs: tuple[str, ...]
    """Titles of what it encodes, with how far it is."""

    def encode(self) -> bytes:
        """The answer to WORKERS_SUBJECT."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Raises ValueError."""
        try:
            found = json.loads(value)
            return cls(
                worker=str(found["worker"]),
                places=int(found["places"]),
                version=str(found["version"]),
                jobs=tuple(str(job) for job in found["jobs"]),
            )
        except (TypeError, KeyError) as error:
            raise ValueError("no report of a worker") from error


def ask_message(file: FileSeen | None, logo: str) -> bytes:
    """The question to all workers: who can take a job, of this file if it is local?"""
    return json.dumps({"file": None if file is None else asdict(file), "logo": logo}).encode()


def asked(message: bytes) -> tuple[FileSeen | None, str]:
    """What a channel asks. Raises ValueError."""
    try:
        found = json.loads(message)
        file = found["file"]
        return (None if file is None else FileSeen(**file)), str(found["logo"])
    except (TypeError, KeyError) as error:
        raise ValueError("no question for a worker") from error


def offered(message: bytes) -> Offer:
    """A worker's answer. Raises ValueError."""
    try:
        return Offer(**json.loads(message))
    except TypeError as error:
        raise ValueError("no offer of a worker") from error
