"""What the hosts of a fleet say: a report every two seconds, which NATS forgets after ten; and that a lease changed or shall."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Self

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import BucketNotFoundError, NoKeysError, NotFoundError
from nats.js.kv import KeyValue

from tg_video_streamer.errors import FleetUnreachable
from tg_video_streamer.fleet.connection import ANSWER_SECONDS, FleetConnection

log = structlog.get_logger(__name__)

HOSTS = "hosts"
ON_AIR, STANDBY = "on_air", "standby"
_SAY_SECONDS = 2.0
_FORGET_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HostReport:
    """One host with one channel."""

    channel: str
    host: str
    role: str
    """ON_AIR or STANDBY."""
    state: str
    """Of the channel, as `status` shows it."""
    version: str

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Raises ValueError."""
        try:
            found = json.loads(value)
            return cls(**{name: str(found[name]) for name in cls.__dataclass_fields__})
        except (TypeError, KeyError) as error:
            raise ValueError("no report of a host") from error


class HostReports:
    """Reads and writes the reports of all hosts."""

    def __init__(self, connection: FleetConnection) -> None:
        self._connection = connection
        self._bucket: KeyValue | None = None

    async def keep_saying(self, report: Callable[[], HostReport]) -> None:
        """Say what `report` says, until cancelled; what cannot be said now is said the next time."""
        while True:
            with suppress(FleetUnreachable):
                await self.say(report())
            await asyncio.sleep(_SAY_SECONDS)

    async def say(self, report: HostReport) -> None:
        """Raises FleetUnreachable."""
        await self._ask(self._put, report)

    async def all(self) -> tuple[HostReport, ...]:
        """Every host that said something in the last ten seconds, by channel and name. Raises FleetUnreachable."""
        found: list[HostReport] = []
        await self._ask(self._read, found)
        return tuple(sorted(found, key=lambda one: (one.channel, one.host)))

    async def _ask(self, work: Callable[..., object], subject: object) -> None:
        try:
            async with asyncio.timeout(2 * ANSWER_SECONDS):
                await work(await self._open(), subject)  # type: ignore[misc] # both are coroutines
        except (NatsError, TimeoutError, OSError) as error:
            # The servers may have come back without the bucket: it is looked for again.
            self._bucket = None
            raise FleetUnreachable.of("fleet.unreachable", detail=str(error) or type(error).__name__) from error

    async def _put(self, bucket: KeyValue, report: HostReport) -> None:
        await bucket.put(f"{report.channel}.{report.host}", json.dumps(asdict(report)).encode())

    async def _read(self, bucket: KeyValue, found: list[HostReport]) -> None:
        with suppress(NoKeysError):
            for key in await bucket.keys():
                with suppress(NotFoundError, ValueError):
                    found.append(HostReport.decode((await bucket.get(key)).value or b""))

    async def _open(self) -> KeyValue:
        if self._bucket is None:
            jetstream = self._connection.jetstream()
            try:
                self._bucket = await jetstream.key_value(HOSTS)
            except (BucketNotFoundError, NotFoundError):
                self._bucket = await jetstream.create_key_value(
                    bucket=HOSTS, history=1, ttl=_FORGET_SECONDS, replicas=self._connection.replicas
                )
        return self._bucket


def changed_subject(channel: str) -> str:
    """The lease was given away: who stands by looks at it now."""
    return f"fleet.{channel}.changed"


def move_subject(channel: str) -> str:
    """A question to the holder: leave the air for the host that the message names."""
    return f"fleet.{channel}.move"
