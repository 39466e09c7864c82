"""The lease's place in a NATS key-value bucket: read, and changed by compare-and-set."""

from __future__ import annotations

from typing import Protocol

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from tg_video_streamer.errors import LeaseChanged
from tg_video_streamer.fleet.bucket import FleetBucket
from tg_video_streamer.fleet.connection import FleetConnection
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
        self._channel = channel
        self._bucket = FleetBucket(connection, LEASES)

    async def read(self) -> Seen:
        """See LeaseBucket; a value of a later version is a holder that never ends by itself."""
        try:
            entry = await self._bucket.ask(KeyValue.get, self._channel)
        except KeyNotFoundError as error:
            # A deleted key has a revision too, which the next write must name.
            return Seen(revision=getattr(error.entry, "revision", 0) or 0, holder=None)
        try:
            holder = Holder.decode(entry.value or b"")
        except ValueError:
            holder = Holder(host="?", process="?", place="?", epoch=entry.revision or 0)
        return Seen(revision=entry.revision or 0, holder=holder)

    async def write(self, holder: Holder, revision: int) -> int:
        """See LeaseBucket."""
        try:
            return await self._bucket.ask(KeyValue.update, self._channel, holder.encode(), revision)
        except KeyWrongLastSequenceError as error:
            raise LeaseChanged.of("fleet.lease_changed", channel=self._channel) from error
