"""One connection of a publisher, or of somebody who would be one: bytes between its socket and the protocol, with deadlines."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import MalformedMessage, PublisherRefused
from tg_video_streamer.ingest.arrival import Arrival
from tg_video_streamer.ingest.attempts import class_of
from tg_video_streamer.ingest.takeover import Takeover
from tg_video_streamer.rtmp.chunks import RtmpMessage
from tg_video_streamer.rtmp.server import RtmpServer, ServerState

log = structlog.get_logger(__name__)

STRANGER_SECONDS = 5.0
"""From the first byte to the key, whatever comes in between."""
SILENT_SECONDS = 8.0
"""A publisher that sends no media for so long is dead or stuck: its encoder connects anew where it lives."""
_ANSWER_SECONDS = 5.0
_GOODBYE_SECONDS = 1.0
_READ_BYTES = 64 * 1024


class Guest:
    """Belongs to the event loop; `serve` ends with the connection, which it owns, and raises nothing."""

    def __init__(
        self,
        client: socket.socket,
        host: str,
        *,
        app: str,
        takeover: Takeover,
        clock: Clock,
        refused: Callable[[], bool],
    ) -> None:
        """`refused` is told of a peer that has no business here, and answers whether that belongs into the log."""
        self._client = client
        self._class = class_of(host)
        self._host = host
        self._takeover = takeover
        self._clock = clock
        self._refused = refused
        self._server = RtmpServer(app=app, admit=takeover.admit)
        self._arrival: Arrival | None = None
        self._media_at = clock.monotonic()

    @property
    def stranger(self) -> bool:
        """Whether it has not shown the key."""
        return self._arrival is None

    async def serve(self) -> None:
        """Hear it out."""
        self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reason = "the service ends"
        try:
            reason = await self._hear()
        except TimeoutError:
            reason = "it does not take its answers"
        except OSError as error:
            reason = f"the connection broke off: {(error.strerror or type(error).__name__).lower()}"
        finally:
            self._client.close()
            if self._arrival is not None:
                self._takeover.end(self._arrival, reason)
            else:
                log.debug("a connection to the live input ended", host=self._host, reason=reason)

    async def _hear(self) -> str:
        """All that it sends, and why that ended."""
        loop = asyncio.get_running_loop()
        until = self._clock.monotonic() + STRANGER_SECONDS
        while True:
            if self._arrival is not None:
                until = self._media_at + SILENT_SECONDS
            try:
                async with asyncio.timeout(max(0.0, until - self._clock.monotonic())):
                    data = await loop.sock_recv(self._client, _READ_BYTES)
            except TimeoutError:
                return (
                    "nothing comes any more" if self._arrival is not None else self._turned_away("it said too little")
                )
            if not data:
                return "the publisher closed the connection"
            try:
                await self._take(self._server.receive(data))
            except MalformedMessage as error:
                return self._turned_away(error.what)
            except PublisherRefused as error:
                return await self._refuse(error)
            await self._answer()
            if self._server.state is ServerState.ENDED:
                return "the publisher said goodbye"

    async def _take(self, messages: Sequence[RtmpMessage]) -> None:
        if self._server.state is ServerState.LIVE and self._arrival is None:
            self._arrival = self._takeover.begin(self._class)
            self._media_at = self._clock.monotonic()
        if self._arrival is None:
            return
        media = [self._arrival.take(message) for message in messages]
        await self._arrival.drain()
        if any(media):
            # After the wait for the encoder, in which its silence was none of its own.
            self._media_at = self._clock.monotonic()

    async def _refuse(self, error: PublisherRefused) -> str:
        """Tell it why, and then the log."""
        if self._arrival is not None:
            self._server.refuse(str(error))
            log.error("the live stream is refused", error=str(error))
        elif error.why == "busy":
            log.warning("a second publisher was refused", where=self._class, host=self._host)
        else:
            self._turned_away(error.what)
        await self._answer()
        await self._goodbye()
        return error.what

    def _turned_away(self, why: str) -> str:
        """Count a peer that was no publisher, and say so once in a while."""
        if self._arrival is None and self._refused():
            log.warning("somebody was turned away from the live input", why=why, where=self._class, host=self._host)
        elif self._arrival is not None:
            log.warning("the live stream is no RTMP any more", why=why)
        return why

    async def _answer(self) -> None:
        if data := self._server.outgoing():
            async with asyncio.timeout(_ANSWER_SECONDS):
                await asyncio.get_running_loop().sock_sendall(self._client, data)

    async def _goodbye(self) -> None:
        """Say that nothing follows, and wait a moment until it has read why: closing at once would take that back."""
        loop = asyncio.get_running_loop()
        self._client.shutdown(socket.SHUT_WR)
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while await loop.sock_recv(self._client, _READ_BYTES):
                    pass
        except TimeoutError:
            return
