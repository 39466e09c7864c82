"""Serves the metrics over HTTP on a free port, or else writes them to a text file; never stops the service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog

from tg_video_streamer.atomic_file import replace_file
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.locales.message import Message
from tg_video_streamer.monitoring.metrics import CONTENT_TYPE

log = structlog.get_logger(__name__)

PORTS_TO_TRY = 20
_UNLINK_SECONDS = 0.5
_REQUEST_SECONDS = 5.0
_REQUEST_LIMIT = 16384
MAX_READERS = 4
"""At one time; each holds a descriptor, and a further one takes the place of the oldest."""


class MetricsServer:
    """Serves `text()` at `/metrics` from the event loop: a thread per scrape would need locks around the status."""

    def __init__(
        self, text: Callable[[], bytes], *, host: str, port: int, textfile: Path, textfile_seconds: float = 15.0
    ) -> None:
        """`port` 0 takes any free one; `textfile` is used where no port is free."""
        self._text = text
        self._host = host
        self._port = port
        self._textfile = textfile
        self._textfile_seconds = textfile_seconds
        self._server: asyncio.Server | None = None
        self._textfile_failed = False
        self._readers: list[asyncio.StreamWriter] = []
        self.address = ""
        """Where the metrics are read: a URL or the path of the text file; empty before `start`."""
        self.warning: Message | None = None
        """What the operator should know: that the port was taken; None where all is as configured."""

    def warnings(self) -> list[Message]:
        """As the status shows them."""
        return [self.warning] if self.warning is not None else []

    async def start(self) -> None:
        """Take a port, or fall back to the text file; says so in the log and in `warning`."""
        for port in range(self._port, min(self._port + PORTS_TO_TRY, 65536)):
            try:
                self._server = await asyncio.start_server(
                    self._answer, self._host, port, limit=_REQUEST_LIMIT, backlog=MAX_READERS
                )
            except OSError as error:
                lookup = isinstance(error, socket.gaierror)
                reason = str(error.strerror) if lookup else os.strerror(error.errno or 0)
                continue
            taken = self._server.sockets[0].getsockname()[1]
            host = f"[{self._host}]" if ":" in self._host else self._host
            self.address = f"http://{host}:{taken}/metrics"
            if port != self._port:
                self.warning = Message.of("metrics.other_port", port=str(self._port), taken=str(taken))
                log.warning(str(self.warning), host=self._host, port=taken)
            return
        self.address = str(self._textfile)
        values = {"host": self._host, "port": str(self._port), "detail": reason, "path": str(self._textfile)}
        self.warning = Message.of("metrics.no_port", **values)
        log.warning(str(self.warning))

    async def run(self) -> None:
        """Serve until cancelled. Ends its connections, and removes a text file that went stale."""
        if not self.address:
            await self.start()
        try:
            if self._server is not None:
                await asyncio.Event().wait()
            while True:
                await self._write_textfile()
                await asyncio.sleep(self._textfile_seconds)
        finally:
            if self._server is not None:
                self._server.close()
            with contextlib.suppress(OSError):
                DISKS.wait(_UNLINK_SECONDS, self._textfile, self._textfile.unlink, missing_ok=True)

    async def _write_textfile(self) -> None:
        """Replace the file in one step; a reader sees the old or the new one, whole."""
        text = self._measured()
        if text is None:
            return
        try:
            # A disk that hangs fails here, and is tried again like any other.
            await DISKS.run_within(
                START_SECONDS, self._textfile, replace_file, self._textfile, text, mode=0o644, durable=False
            )
        except OSError as error:
            if not self._textfile_failed:
                log.warning("metrics file cannot be written; retrying", error=error.strerror)
            self._textfile_failed = True
        else:
            if self._textfile_failed:
                log.info("metrics file is written again")
            self._textfile_failed = False

    def _measured(self) -> bytes | None:
        """The text; None where measuring failed, which is logged and must stop nothing."""
        try:
            return self._text()
        except Exception:
            log.exception("metrics cannot be collected; this is a defect of ours")
            return None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one response, and the connection closes: that is all that a scraper needs."""
        async with _closing(writer):
            if len(self._readers) >= MAX_READERS:
                self._readers.pop(0).transport.abort()
            self._readers.append(writer)
            try:
                async with asyncio.timeout(_REQUEST_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._response(head.split(b"\r\n", 1)[0].split(b" ")))
                    await writer.drain()
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError):
                log.debug("a reader of the metrics went away or sent no request")
            finally:
                if writer in self._readers:
                    self._readers.remove(writer)

    def _response(self, request: list[bytes]) -> bytes:
        """The whole answer to a request line that was split at its spaces."""
        method, target = (request[0], request[1].split(b"?")[0]) if len(request) == 3 else (b"", b"")
        if method not in {b"GET", b"HEAD"}:
            return _http("405 Method Not Allowed", b"only GET and HEAD\n", extra="Allow: GET, HEAD\r\n")
        if target not in {b"/metrics", b"/"}:
            return _http("404 Not Found", b"the metrics are at /metrics\n")
        text = self._measured()
        if text is None:
            return _http("500 Internal Server Error", b"the metrics cannot be collected; see the log\n")
        return _http("200 OK", text, content_type=CONTENT_TYPE, with_body=method == b"GET")


def _http(
    status: str,
    body: bytes,
    *,
    content_type: str = "text/plain; charset=utf-8",
    extra: str = "",
    with_body: bool = True,
) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        f"X-Content-Type-Options: nosniff\r\n{extra}Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + (body if with_body else b"")


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
