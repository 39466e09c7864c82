"""What the hosts of a fleet say: a report every two seconds, which NATS forgets after ten; and that a lease changed or shall."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Self

import structlog
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from tg_video_streamer.errors import FleetUnreachable
from tg_video_streamer.fleet.bucket import FleetBucket
from tg_video_streamer.fleet.connection import FleetConnection

log = structlog.get_logger(__name__)

HOSTS = "hosts"
ON_AIR, STANDBY = "on_air", "standby"
_SAY_SECONDS = 2.0
_READ_SECONDS = 10.0
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
    priority: int = 1
    behind_seconds: float = 0.0
    """How old the state is that another host would go on from; of the host on air."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What should be the same on all hosts of a channel, by name: digests of playlist, schedule and settings."""

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Raises ValueError."""
        try:
            found = json.loads(value)
            return cls(
                **{name: str(found[name]) for name in ("channel", "host", "role", "state", "version")},
                # An earlier version says nothing of these.
                priority=int(found.get("priority", 1)),
                behind_seconds=float(found.get("behind_seconds", 0.0)),
                facts={str(name): str(fact) for name, fact in found.get("facts", {}).items()},
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("no report of a host") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Something that is not the same on all hosts of a channel."""

    name: str
    facts: Mapping[str, str]
    """By host; a host that does not have it is missing."""


def differences(reports: Sequence[HostReport], channel: str) -> list[Difference]:
    """What differs between the hosts of a channel, the version of the program included; by name."""
    hosts = [one for one in reports if one.channel == channel]
    known = {one.host: {"version": one.version, **one.facts} for one in hosts}
    names = sorted({name for facts in known.values() for name in facts})
    found = [
        Difference(name=name, facts={host: facts[name] for host, facts in known.items() if name in facts})
        for name in names
    ]
    return [one for one in found if len(set(one.facts.values())) > 1 or len(one.facts) < len(known)]


class HostReports:
    """Reads and writes the reports of all hosts."""

    def __init__(self, connection: FleetConnection) -> None:
        self._bucket = FleetBucket(connection, HOSTS, forgets_seconds=_FORGET_SECONDS)

    async def keep_saying(self, report: Callable[[], HostReport]) -> None:
        """Say what `report` says, until cancelled; what cannot be said now is said the next time."""
        while True:
            with suppress(FleetUnreachable):
                await self.say(report())
            await asyncio.sleep(_SAY_SECONDS)

    async def keep_reading(self, heard: Callable[[tuple[HostReport, ...]], None]) -> None:
        """Tell `heard` what all hosts say, every few seconds, until cancelled."""
        while True:
            with suppress(FleetUnreachable):
                heard(await self.all())
            await asyncio.sleep(_READ_SECONDS)

    async def say(self, report: HostReport) -> None:
        """Raises FleetUnreachable."""
        key, value = f"{report.channel}.{report.host}", json.dumps(asdict(report)).encode()
        await self._bucket.ask(KeyValue.put, key, value)

    async def all(self) -> tuple[HostReport, ...]:
        """Every host that said something in the last ten seconds, by channel and name. Raises FleetUnreachable."""
        found = []
        for key in await self._bucket.keys():
            with suppress(KeyNotFoundError, ValueError):
                found.append(HostReport.decode((await self._bucket.ask(KeyValue.get, key)).value or b""))
        return tuple(sorted(found, key=lambda one: (one.channel, one.host)))


def changed_subject(channel: str) -> str:
    """The lease was given away: who stands by looks at it now."""
    return f"fleet.{channel}.changed"


def command_subject(channel: str) -> str:
    """A command for the host on air, which somebody gave to another host."""
    return f"fleet.{channel}.command"


def move_subject(channel: str) -> str:
    """A question to the holder: leave the air for the host that the message names."""
    return f"fleet.{channel}.move"
