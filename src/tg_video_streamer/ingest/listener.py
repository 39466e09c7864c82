"""Listens for publishers: bounds how many strangers there are, and lets none keep the operator out."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import ListenFailed
from tg_video_streamer.ingest.address import IngestAddress
from tg_video_streamer.ingest.attempts import Attempts, peer_of
from tg_video_streamer.ingest.guest import Guest
from tg_video_streamer.ingest.takeover import Takeover

log = structlog.get_logger(__name__)

MOST_STRANGERS = 16
"""Who has not shown the key yet; for one more, the one that is there for longest goes."""
MOST_OF_ONE_PEER = 4
_PAUSES = Backoff(first=1.0, longest=15.0)
"""Between tries to listen where something else has the port."""
_ACCEPT_PAUSE_SECONDS = 1.0
_BACKLOG = 16


@dataclass(kw_only=True, eq=False)
class _Visit:
    guest: Guest
    peer: str
    task: asyncio.Task[None]


class Listener:
    """Belongs to the event loop; `run` lasts until it is cancelled."""

    def __init__(self, address: IngestAddress, takeover: Takeover, clock: Clock) -> None:
        """`takeover` gets those who show the key."""
        self._address = address
        self._takeover = takeover
        self._clock = clock
        self._attempts = Attempts()
        self._visits: list[_Visit] = []

    async def run(self) -> None:
        """Let publishers in, one after the other."""
        listener = await self._listening()
        try:
            async with asyncio.TaskGroup() as visits:
                await self._accept(listener, visits)
        finally:
            listener.close()

    async def _listening(self) -> socket.socket:
        """The socket, tried for until it can be had."""
        failures = 0
        while True:
            try:
                listener = await asyncio.to_thread(listen, self._address)
            except ListenFailed as error:
                failures += 1
                if failures == 1:
                    log.error("no live stream can come in", error=str(error))  # noqa: TRY400 - the operator's to mend
                self._takeover.cannot_listen(str(error))
                await asyncio.sleep(_PAUSES.pause(failures))
            else:
                self._takeover.cannot_listen("")
                log.info("live streams can come in", address=self._address.place)
                return listener

    async def _accept(self, listener: socket.socket, visits: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, place = await loop.sock_accept(listener)
            except OSError as error:
                log.warning("no live stream is let in for a moment", error=error.strerror)
                await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            self._receive(client, str(place[0]), visits)

    def _receive(self, client: socket.socket, host: str, visits: asyncio.TaskGroup) -> None:
        peer = peer_of(host)
        strangers = [visit for visit in self._visits if visit.guest.stranger]
        if (
            self._attempts.blocked(peer, self._clock.monotonic())
            or sum(visit.peer == peer for visit in strangers) >= MOST_OF_ONE_PEER
        ):
            client.close()
            return
        if len(strangers) >= MOST_STRANGERS:
            strangers[0].task.cancel()
        guest = Guest(
            client,
            host,
            app=self._address.app,
            takeover=self._takeover,
            clock=self._clock,
            refused=lambda: self._attempts.refused(peer, self._clock.monotonic()),
        )
        visit = _Visit(guest=guest, peer=peer, task=visits.create_task(guest.serve(), name="publisher"))
        self._visits.append(visit)
        visit.task.add_done_callback(lambda _task: self._visits.remove(visit))


def listen(address: IngestAddress) -> socket.socket:
    """A non-blocking socket that listens at `address`. Raises ListenFailed."""
    try:
        places = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, place = places[0]
        listener = socket.create_server(place, family=family, backlog=_BACKLOG)
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise ListenFailed(
            f"nothing can listen at {address.place}: {said}",
            remedy="stop what uses the port, or correct LIVE_INGEST",
        ) from error
    listener.settimeout(0)
    return listener
