"""One NATS key-value bucket: made where it is missing, asked with a deadline, looked for again after a failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from nats.errors import Error as NatsError
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError, NotFoundError
from nats.js.kv import KeyValue

from tg_video_streamer.errors import FleetUnreachable
from tg_video_streamer.fleet.connection import ANSWER_SECONDS, FleetConnection, answer_within

Result = TypeVar("Result")

_ANSWERS = (KeyNotFoundError, KeyWrongLastSequenceError)
"""Errors of nats-py that are answers."""


class FleetBucket:
    """The newest value of each key, copied to as many servers as there are, three at most."""

    def __init__(self, connection: FleetConnection, name: str, *, forgets_seconds: float | None = None) -> None:
        """`forgets_seconds`: after how long a value is gone that was not written again."""
        self._connection = connection
        self._name = name
        self._forgets_seconds = forgets_seconds
        self._found: KeyValue | None = None

    async def ask(
        self, work: Callable[..., Awaitable[Result]], *arguments: object, seconds: float = ANSWER_SECONDS
    ) -> Result:
        """What `work(bucket, *arguments)` answers within `seconds`.

        Raises FleetUnreachable where it is not known whether it was done, and as they are `_ANSWERS`.
        """
        try:
            async with answer_within(seconds):
                return await work(await self._bucket(), *arguments)
        except _ANSWERS:
            raise
        except (NatsError, TimeoutError, OSError, ValueError) as error:
            # The servers may have come back without the bucket.
            self._found = None
            raise FleetUnreachable.of("fleet.unreachable", detail=str(error) or type(error).__name__) from error

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`; one of them may have been deleted. Raises FleetUnreachable.

        Asked of the stream: what nats-py's own `keys` watches for may be taken for empty where the answers come late.
        """
        subject = f"$KV.{self._name}."
        found = await self.ask(self._subjects, f"{subject}>")
        return sorted(key for one in found if (key := one.removeprefix(subject)).startswith(prefix))

    async def _subjects(self, _bucket: KeyValue, subject: str) -> list[str]:
        info = await self._connection.jetstream().stream_info(f"KV_{self._name}", subjects_filter=subject)
        return list(info.state.subjects or {})

    async def _bucket(self) -> KeyValue:
        if self._found is None:
            jetstream = self._connection.jetstream()
            try:
                self._found = await jetstream.key_value(self._name)
            except (BucketNotFoundError, NotFoundError):
                self._found = await jetstream.create_key_value(
                    bucket=self._name, history=1, ttl=self._forgets_seconds, replicas=self._connection.replicas
                )
        return self._found
