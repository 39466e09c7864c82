"""Listens for publishers; every connection may show the key, and what waits for one is bounded."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from itertools import count

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import ListenFailed
from tg_video_streamer.ingest.address import IngestAddress
from tg_video_streamer.ingest.admission import Admission, Unauthenticated
from tg_video_streamer.ingest.connection import PublisherConnection
from tg_video_streamer.ingest.refusals import RefusalLog, peer_of
from tg_video_streamer.ingest.takeover import Takeover

log = structlog.get_logger(__name__)

_PAUSES = Backoff(first=1.0, longest=15.0)
"""Between attempts to listen while something else has the port."""
_ACCEPT_PAUSE_SECONDS = 1.0
_BACKLOG = 16


@dataclass(kw_only=True, eq=False)
class _Open:
    number: int
    connection: PublisherConnection
    peer: str
    task: asyncio.Task[None]

    @property
    def unauthenticated(self) -> Unauthenticated:
        """It as the admission sees it."""
        return Unauthenticated(number=self.number, peer=self.peer, progress=self.connection.progress)


class Listener:
    """Belongs to the event loop; `run` lasts until it is cancelled."""

    def __init__(self, address: IngestAddress, takeover: Takeover, clock: Clock) -> None:
        """`takeover` gets the publishers with the right key."""
        self._address = address
        self._takeover = takeover
        self._clock = clock
        self._refusals = RefusalLog()
        self._admission = Admission()
        self._numbers = count()
        self._open: list[_Open] = []

    async def run(self) -> None:
        """Accept connections until cancelled."""
        listener = await self._listening()
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._accept(listener, tasks)
        finally:
            listener.close()

    async def _listening(self) -> socket.socket:
        """The listening socket; retried until it opens."""
        failures = 0
        while True:
            try:
                listener = await asyncio.to_thread(listen, self._address)
            except ListenFailed as error:
                failures += 1
                if failures == 1:
                    log.error("the live input cannot listen", error=str(error))  # noqa: TRY400 - the operator's to mend
                self._takeover.cannot_listen(error.full_message)
                await asyncio.sleep(_PAUSES.pause(failures))
            else:
                self._takeover.cannot_listen(None)
                log.info("the live input listens", address=self._address.place)
                return listener

    async def _accept(self, listener: socket.socket, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, address = await loop.sock_accept(listener)
            except OSError as error:
                log.warning("the live input accepts no connection for a moment", error=error.strerror)
                await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            self._receive(client, str(address[0]), tasks)

    def _receive(self, client: socket.socket, host: str, tasks: asyncio.TaskGroup) -> None:
        peer = peer_of(host)
        waiting = {one.number: one for one in self._open if one.connection.unauthenticated}
        surplus = self._admission.surplus(peer, [one.unauthenticated for one in waiting.values()])
        if surplus is not None:
            self._open.remove(waiting[surplus])
            waiting[surplus].task.cancel()
        connection = PublisherConnection(
            client,
            host,
            app=self._address.app,
            takeover=self._takeover,
            clock=self._clock,
            refused=lambda: self._refusals.is_first(peer, self._clock.monotonic()),
            admitted=lambda: self._admission.published(peer),
        )
        task = tasks.create_task(connection.serve(), name="publisher")
        one = _Open(number=next(self._numbers), connection=connection, peer=peer, task=task)
        self._open.append(one)
        task.add_done_callback(lambda _task: self._forget(one))

    def _forget(self, one: _Open) -> None:
        if one in self._open:
            self._open.remove(one)


def listen(address: IngestAddress) -> socket.socket:
    """A non-blocking socket that listens at `address`. Raises ListenFailed."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, socket_address = found[0]
        listener = socket.create_server(socket_address, family=family, backlog=_BACKLOG)
    except OSError as error:
        detail = (error.strerror or type(error).__name__).lower()
        raise ListenFailed.of("listen.ingest", place=address.place, detail=detail) from error
    listener.settimeout(0)
    return listener
