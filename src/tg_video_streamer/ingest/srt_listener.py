"""Takes a live stream over SRT: a child listens, and what its caller sends enters by the door of RTMP publishers.

SRT is native code on the network, so it runs in a child. Only a caller with the passphrase gets past its handshake.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.errors import ListenFailed, MalformedMessage, PublisherRefused, StreamerError
from tg_video_streamer.ffmpeg.live_input import receiving_ffmpeg
from tg_video_streamer.ffmpeg.runner import Child
from tg_video_streamer.ingest.live_publisher import LivePublisher
from tg_video_streamer.ingest.srt_address import SrtAddress, listen_command, listen_script
from tg_video_streamer.ingest.takeover import REPLACED_SECONDS, Takeover
from tg_video_streamer.locales.message import Message
from tg_video_streamer.rtmp.flv_reader import FlvReader

log = structlog.get_logger(__name__)

PLACE = "srt"
"""As the place of a publisher: the child does not say where its caller is."""
_PAUSES = Backoff(first=1.0, longest=15.0)
"""Between attempts to listen."""
_LISTENS_SECONDS = 3.0
"""A child that lives so long has the port."""
_AGAIN_SECONDS = 0.2
_READ_BYTES = 64 * 1024


class SrtListener:
    """Belongs to the event loop; `run` lasts until it is cancelled. One caller at a time, as the child takes it."""

    def __init__(self, address: SrtAddress, takeover: Takeover, *, ffmpeg: Path) -> None:
        """`takeover` gets the publishers. `ffmpeg`: the wheel's is used where this one has no SRT."""
        self._address = address
        self._takeover = takeover
        self._ffmpeg = ffmpeg

    async def run(self) -> None:
        """Listen, take a caller, and listen again, until cancelled."""
        failures = 0
        while True:
            try:
                await self._serve()
                failures = 0
                await asyncio.sleep(_AGAIN_SECONDS)
            except StreamerError as error:
                failures += 1
                if failures == 1:
                    log.error("the live input cannot listen for SRT", error=str(error))  # noqa: TRY400 - the operator's to mend
                self._takeover.cannot_listen(error.full_message, door=PLACE)
                await asyncio.sleep(_PAUSES.pause(failures))

    async def _serve(self) -> None:
        """One child, and the stream of its caller. Raises ListenFailed, and ToolMissing without an ffmpeg that has SRT."""
        ffmpeg = await receiving_ffmpeg(self._ffmpeg, "srt://")
        async with _listening(ffmpeg, self._address) as (child, reader):
            data = await self._first(child, reader)
            if not data:
                return
            try:
                self._takeover.require_place()
            except PublisherRefused as error:
                log.warning("a second publisher was refused", where=PLACE, why=error.what)
                return
            publisher = self._takeover.begin(PLACE, child.kill)
            reason = "the service ends"
            try:
                reason = await _receive(publisher, reader, data)
            finally:
                self._takeover.end(publisher, reason)

    async def _first(self, child: Child, reader: asyncio.StreamReader) -> bytes:
        """The first bytes of a caller; empty where one came and sent nothing that can be used. Raises ListenFailed."""
        reading = asyncio.ensure_future(reader.read(_READ_BYTES))
        try:
            done, _ = await asyncio.wait({reading}, timeout=_LISTENS_SECONDS)
            if not done:
                self._takeover.cannot_listen(None, door=PLACE)
            data = await reading
        finally:
            reading.cancel()
        if not data and done:
            # What the child says may name its address.
            said = child.stderr_tail.strip().rpartition("\n")[2].replace(self._address.passphrase, "***")
            detail = said or Message.of("no_message")
            raise ListenFailed.of("listen.ingest", place=self._address.place, detail=detail)
        self._takeover.cannot_listen(None, door=PLACE)
        return data


async def _receive(publisher: LivePublisher, reader: asyncio.StreamReader, data: bytes) -> str:
    """Hand on all that the caller sends; why that ended."""
    flv = FlvReader()
    while data:
        try:
            messages = flv.receive(data)
            media = [publisher.take(message) for message in messages]
        except (MalformedMessage, PublisherRefused) as error:
            log.error("the live stream is refused", error=str(error))  # noqa: TRY400 - the publisher's to mend
            return error.what
        if any(media):
            await publisher.drain()
        data = await reader.read(_READ_BYTES)
    return "another publisher took its place" if publisher.replaced else "the caller is gone, or sent nothing"


@asynccontextmanager
async def _listening(ffmpeg: Path, address: SrtAddress) -> AsyncIterator[tuple[Child, asyncio.StreamReader]]:
    """The child and its output."""
    output, child_output = os.pipe()
    reader = asyncio.StreamReader()
    transport: asyncio.ReadTransport | None = None
    try:
        script = listen_script(address, silent_seconds=REPLACED_SECONDS)
        async with Child.start(listen_command(ffmpeg), stdin=script, stdout=child_output) as child:
            os.close(child_output)
            child_output = -1
            pipe = os.fdopen(output, "rb", buffering=0)
            output = -1
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            yield child, reader
    finally:
        if transport is not None:
            transport.close()
        for descriptor in (output, child_output):
            if descriptor >= 0:
                os.close(descriptor)
