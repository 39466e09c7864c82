"""The as-run lines of a channel, from whichever host aired them: one stream that every host reads to its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from nats.errors import Error as NatsError
from nats.js.api import DiscardPolicy, RawStreamMsg, StreamConfig, StreamInfo
from nats.js.errors import NotFoundError

from tg_video_streamer.errors import FleetUnreachable
from tg_video_streamer.fleet.connection import ANSWER_SECONDS, FleetConnection, answer_within

AS_RUN = "ASRUN"
_DAYS_SECONDS = 60 * 86_400.0
_BYTES = 200_000_000
_DOUBLE_SECONDS = 3600.0
"""A line that is put in twice within this time is there once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamedLine:
    """One line, with its place in the stream."""

    sequence: int
    line: str


class AsRunStream:
    """One channel's lines. Each method may raise FleetUnreachable."""

    def __init__(self, connection: FleetConnection, channel: str) -> None:
        """The stream is made where it is missing."""
        self._connection = connection
        self._subject = f"asrun.{channel}"

    async def put(self, line: str, *, identity: str) -> None:
        """Add a line, unless one with the same identity was added within the last hour."""
        with _as_unreachable():
            async with answer_within(ANSWER_SECONDS):
                await self._made()
                await self._connection.jetstream().publish(
                    self._subject, line.encode("utf-8", "backslashreplace"), headers={"Nats-Msg-Id": identity}
                )

    async def after(self, sequence: int) -> Sequence[StreamedLine]:
        """Up to a hundred lines that came after `sequence`; of a stream that was made anew, from its beginning."""
        found: list[StreamedLine] = []
        with _as_unreachable():
            async with answer_within(ANSWER_SECONDS):
                info = await self._made()
            sequence = sequence if sequence <= info.state.last_seq else 0
            while len(found) < 100:
                async with answer_within(ANSWER_SECONDS):
                    message = await self._next(sequence + 1)
                if message is None:
                    break
                sequence = message.seq or sequence + 1
                found.append(StreamedLine(sequence=sequence, line=(message.data or b"").decode("utf-8", "replace")))
        return found

    async def _next(self, sequence: int) -> RawStreamMsg | None:
        with suppress(NotFoundError):
            return await self._connection.jetstream().get_msg(AS_RUN, seq=sequence, subject=self._subject, next=True)
        return None

    async def _made(self) -> StreamInfo:
        jetstream = self._connection.jetstream()
        try:
            return await jetstream.stream_info(AS_RUN)
        except NotFoundError:
            return await jetstream.add_stream(
                StreamConfig(
                    name=AS_RUN,
                    subjects=["asrun.>"],
                    max_age=_DAYS_SECONDS,
                    max_bytes=_BYTES,
                    discard=DiscardPolicy.OLD,
                    duplicate_window=_DOUBLE_SECONDS,
                    num_replicas=self._connection.replicas,
                )
            )


@contextmanager
def _as_unreachable() -> Iterator[None]:
    try:
        yield
    except (NatsError, TimeoutError) as error:
        raise FleetUnreachable.of("fleet.unreachable", detail=str(error) or type(error).__name__) from error
