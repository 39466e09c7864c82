"""The one connection of a host to NATS, which is made again for ever."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from tg_video_streamer.errors import FleetUnreachable
from tg_video_streamer.fleet.address import FleetAddress

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 1.0
ASK_SECONDS = 0.3
"""How long answers are collected that several may give."""
_CONNECT_SECONDS = 5.0
_RECONNECT_SECONDS = 0.25
_PING_SECONDS = 2.0
_WAITING_BYTES = 65_536
"""What could not be sent yet; what is asked for is given up within ANSWER_SECONDS anyway."""


class FleetConnection:
    """Everything of the fleet goes over it, while `run` runs."""

    def __init__(self, address: FleetAddress, *, host: str) -> None:
        """`host` is the name that NATS shows for it."""
        self._address = address
        self._host = host
        self.client = Client()
        self.connected = asyncio.Event()
        """Set once it was connected for the first time."""
        self.replicas = min(3, len(address.servers))
        """Copies of what NATS keeps: one for each server, at most three."""

    async def run(self) -> None:
        """Connect, and again for ever, until cancelled."""
        address = self._address
        try:
            await self.client.connect(
                list(address.servers),
                name=self._host,
                user=address.user or None,
                password=address.password or None,
                tls=ssl.create_default_context(cafile=address.ca_file) if address.tls else None,
                error_cb=_failed,
                disconnected_cb=self._lost,
                reconnected_cb=self._back,
                max_reconnect_attempts=-1,
                reconnect_time_wait=_RECONNECT_SECONDS,  # type: ignore[arg-type] # parts of a second are slept as well
                connect_timeout=ANSWER_SECONDS,  # type: ignore[arg-type] # it is handed to wait_for, which takes parts of a second
                ping_interval=_PING_SECONDS,  # type: ignore[arg-type] # the same
                max_outstanding_pings=2,
                pending_size=_WAITING_BYTES,
            )
            self.connected.set()
            await asyncio.Event().wait()
        finally:
            # A server that is frozen or gone must not keep a service from ending.
            with suppress(TimeoutError, OSError, NatsError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self.client.close()

    def jetstream(self) -> JetStreamContext:
        """What asks for and changes what NATS keeps; raises FleetUnreachable where there is no connection now."""
        if not self.client.is_connected:
            raise FleetUnreachable.of("fleet.unreachable", detail="no connection")
        return self.client.jetstream(timeout=ANSWER_SECONDS)

    async def ask_all(self, subject: str, question: bytes = b"") -> list[bytes]:
        """The answers of everybody who answers within ASK_SECONDS. Raises NatsError and TimeoutError."""
        inbox = self.client.new_inbox()
        async with answer_within(ASK_SECONDS + ANSWER_SECONDS):
            answers = await self.client.subscribe(inbox)
            try:
                await self.client.publish(subject, question, reply=inbox)
                await asyncio.sleep(ASK_SECONDS)
                return [(await answers.next_msg()).data for _ in range(answers.pending_msgs)]
            finally:
                await answers.unsubscribe()

    async def _lost(self) -> None:
        if not self.client.is_closed:
            log.warning("the connection to NATS is lost; it is tried again")

    async def _back(self) -> None:
        log.info(
            "the connection to NATS works again",
            server=self.client.connected_url.netloc if self.client.connected_url else "",
        )


@asynccontextmanager
async def answer_within(seconds: float) -> AsyncIterator[None]:
    """What is asked of NATS in the block is given up after `seconds`. Raises TimeoutError.

    nats-py waits with asyncio.wait_for, which before Python 3.12 loses a cancellation that comes together with the answer
    (github.com/python/cpython/issues/86296): after a freeze both come at once, and the task would go on for ever.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    cancellations = task.cancelling()
    try:
        async with asyncio.timeout(seconds):
            yield
    finally:
        if task.cancelling() > cancellations:
            raise asyncio.CancelledError


@asynccontextmanager
async def connected(address: FleetAddress, *, host: str) -> AsyncIterator[FleetConnection]:
    """A connection for as long as the block lasts. Raises FleetUnreachable where none comes about in five seconds."""
    connection = FleetConnection(address, host=host)
    # No TaskGroup: what is raised here shall reach the caller as it is.
    running = asyncio.ensure_future(connection.run())
    try:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await connection.connected.wait()
        except TimeoutError:
            raise FleetUnreachable.of("fleet.unreachable", detail=", ".join(address.servers)) from None
        yield connection
    finally:
        running.cancel()
        await asyncio.wait((running,))


async def _failed(error: Exception) -> None:
    log.debug("NATS", error=str(error) or type(error).__name__)
