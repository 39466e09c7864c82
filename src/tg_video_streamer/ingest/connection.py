"""One connection to the live input: moves bytes between its socket and the RTMP protocol, with deadlines."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import MalformedMessage, PublisherRefused
from tg_video_streamer.ingest.live_publisher import LivePublisher
from tg_video_streamer.ingest.refusals import class_of
from tg_video_streamer.ingest.takeover import Takeover
from tg_video_streamer.rtmp.chunks import RtmpMessage
from tg_video_streamer.rtmp.server import RtmpServer, ServerState

log = structlog.get_logger(__name__)

KEY_SECONDS = 5.0
"""From the first byte to the key."""
SILENT_SECONDS = 8.0
"""A publisher that sends no media for so long is dead or stuck; a live encoder connects again."""
WRONG_KEY_SECONDS = 1.0
"""Before a wrong key is answered: a guesser gets few answers a second."""
_PROGRESS = tuple(ServerState)
_ANSWER_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_READ_BYTES = 64 * 1024


class PublisherConnection:
    """Belongs to the event loop; `serve` owns the connection, ends with it, and raises nothing."""

    def __init__(
        self,
        client: socket.socket,
        host: str,
        *,
        app: str,
        takeover: Takeover,
        clock: Clock,
        refused: Callable[[], bool],
        admitted: Callable[[], None],
    ) -> None:
        """`refused` counts a refusal of this peer and returns whether to log it; `admitted`: it showed the right key."""
        self._client = client
        self._class = class_of(host)
        self._host = host
        self._takeover = takeover
        self._clock = clock
        self._refused = refused
        self._admitted = admitted
        self._server = RtmpServer(app=app, admit=takeover.admit)
        self._publisher: LivePublisher | None = None
        self._rejected = False

    @property
    def unauthenticated(self) -> bool:
        """Whether it has not sent the right key yet."""
        return self._publisher is None

    @property
    def progress(self) -> int:
        """How far it has come towards the key; 0 again once it was refused."""
        return 0 if self._rejected else _PROGRESS.index(self._server.state)

    async def serve(self) -> None:
        """Receive until the connection ends."""
        self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reason = "the service ends"
        try:
            reason = await self._receive()
        except TimeoutError:
            reason = "it does not read its answers"
        except OSError as error:
            reason = f"the connection broke off: {(error.strerror or type(error).__name__).lower()}"
        finally:
            self._client.close()
            if self._publisher is not None:
                self._takeover.end(self._publisher, reason)
            else:
                log.debug("a connection to the live input ended", host=self._host, reason=reason)

    async def _receive(self) -> str:
        """Receive all that it sends; why that ended."""
        loop = asyncio.get_running_loop()
        until = self._clock.monotonic() + KEY_SECONDS
        while True:
            if self._publisher is not None:
                until = self._publisher.media_at + SILENT_SECONDS
            try:
                async with asyncio.timeout(max(0.0, until - self._clock.monotonic())):
                    data = await loop.sock_recv(self._client, _READ_BYTES)
            except TimeoutError:
                return (
                    "no more data arrives"
                    if self._publisher is not None
                    else self._reject("it did not send the key in time")
                )
            if self._publisher is not None and self._publisher.replaced:
                return "another publisher took its place"
            if not data:
                return "the publisher closed the connection"
            try:
                await self._take(self._server.receive(data))
            except MalformedMessage as error:
                return self._reject(error.what)
            except PublisherRefused as error:
                return await self._refuse(error)
            await self._answer()
            if self._server.state is ServerState.ENDED:
                return "the publisher ended the stream"

    async def _take(self, messages: Sequence[RtmpMessage]) -> None:
        if self._server.state is ServerState.LIVE and self._publisher is None:
            self._publisher = self._takeover.begin(self._class, self._cut)
            self._admitted()
        if self._publisher is None:
            return
        media = [self._publisher.take(message) for message in messages]
        if any(media):
            await self._publisher.drain()

    def _cut(self) -> None:
        """End the connection now, whatever it waits for."""
        with suppress(OSError):  # it may have ended by itself
            self._client.shutdown(socket.SHUT_RDWR)

    async def _refuse(self, error: PublisherRefused) -> str:
        """Report the reason to the publisher and the log."""
        if self._publisher is not None:
            self._server.refuse(str(error))
            log.error("the live stream is refused", error=str(error))
        elif error.why == "busy":
            log.warning("a second publisher was refused", where=self._class, host=self._host)
        else:
            self._reject(error.what)
            await asyncio.sleep(WRONG_KEY_SECONDS)
        await self._answer()
        await self._close_after_read()
        return error.what

    def _reject(self, why: str) -> str:
        """Count a peer that is no publisher; logged once per window."""
        self._rejected = True
        if self._publisher is None and self._refused():
            log.warning("a connection to the live input was rejected", why=why, where=self._class, host=self._host)
        elif self._publisher is not None:
            log.warning("the live stream is not valid RTMP", why=why)
        return why

    async def _answer(self) -> None:
        if data := self._server.outgoing():
            async with asyncio.timeout(_ANSWER_SECONDS):
                await asyncio.get_running_loop().sock_sendall(self._client, data)

    async def _close_after_read(self) -> None:
        """End the answers and wait until the peer has read them: closing at once would discard them."""
        loop = asyncio.get_running_loop()
        self._client.shutdown(socket.SHUT_WR)
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                while await loop.sock_recv(self._client, _READ_BYTES):
                    pass
        except TimeoutError:
            return
