"""The lease's place in a NATS key-value bucket: read, and changed by compare-and-set."""

from __future__ import annotations

import asyncio
from typing import Protocol

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError, NotFoundError
from nats.js.kv import KeyValue

from tg_video_streamer.errors import FleetUnreachable, LeaseChanged
from tg_video_streamer.fleet.connection import ANSWER_SECONDS, FleetConnection
from tg_video_streamer.fleet.lease import Holder, Seen

LEASES = "leases"


class LeaseBucket(Protocol):
    """What a lease is kept in."""

    async def read(self) -> Seen:
        """The lease now, or as it was shortly before. Raises FleetUnreachable."""

    async def write(self, holder: Holder, revision: int) -> int:
        """Replace what has `revision` (0: nothing); the new one. Raises LeaseChanged, FleetUnreachable."""


class NatsLeaseBucket:
    """The lease of one channel."""

    def __init__(self, connection: FleetConnection, channel: str) -> None:
        """The bucket is made where it is missing."""
        self._connection = connection
        self._channel = channel
        self._bucket: KeyValue | None = None

    async def read(self) -> Seen:
        """See LeaseBucket; a value of a later version is a holder that never ends by itself."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                entry = await (await self._open()).get(self._channel)
        except KeyNotFoundError as error:
            # A deleted key has a revision too, which the next write must name.
            return Seen(revision=getattr(error.entry, "revision", 0) or 0, holder=None)
        except (NatsError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error
        try:
            holder = Holder.decode(entry.value or b"")
        except ValueError:
            holder = Holder(host="?", process="?", place="?", epoch=entry.revision or 0)
        return Seen(revision=entry.revision or 0, holder=holder)

    async def write(self, holder: Holder, revision: int) -> int:
        """See LeaseBucket."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await (await self._open()).update(self._channel, holder.encode(), last=revision)
        except KeyWrongLastSequenceError as error:
            raise LeaseChanged.of("fleet.lease_changed", channel=self._channel) from error
        except (NatsError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    async def _open(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await _bucket(self._connection.jetstream(), self._connection.replicas)
        return self._bucket

    def _unreachable(self, error: Exception) -> FleetUnreachable:
        # The servers may have come back without the bucket: it is looked for again.
        self._bucket = None
        return FleetUnreachable.of("fleet.unreachable", detail=str(error) or type(error).__name__)


async def _bucket(jetstream: JetStreamContext, replicas: int) -> KeyValue:
    try:
        return await jetstream.key_value(LEASES)
    except NotFoundError:
        return await jetstream.create_key_value(bucket=LEASES, history=1, replicas=replicas)
