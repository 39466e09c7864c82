"""The input pipe of an encoder's child, written from the event loop with back pressure."""

from __future__ import annotations

import asyncio
import os

_AHEAD_BYTES = 512 * 1024
"""How much may wait besides the pipe's own buffer: half a second of the richest stream."""


class ChildPipe(asyncio.BaseProtocol):
    """The writing end; data written before `connect` waits. After the child is gone, data is discarded."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._waiting = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False

    async def connect(self, descriptor: int) -> None:
        """Write to `descriptor` from now on; it is closed by this object."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_write_pipe(lambda: self, os.fdopen(descriptor, "wb", buffering=0))
        self._transport = transport
        transport.set_write_buffer_limits(high=_AHEAD_BYTES)
        transport.write(bytes(self._waiting))
        self._waiting.clear()
        if self._ended:
            transport.close()

    def write(self, data: bytes) -> None:
        """Write `data` after the earlier data."""
        if self._ended:
            return
        if self._transport is None:
            self._waiting += data
        else:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the pipe is writable, or the child is gone."""
        await self._writable.wait()

    def end(self) -> None:
        """End the child's input after the data written so far."""
        self._ended = True
        if self._transport is not None:
            self._transport.close()

    def abandon(self) -> None:
        """Discard the data: the child is gone, or must end."""
        self._ended = True
        self._writable.set()
        self._waiting.clear()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def pause_writing(self) -> None:
        """Called by asyncio when too much data waits."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by asyncio when that is over."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reader of the child reports its end
        """Called by asyncio when the pipe is closed, or the child has closed its end."""
        self._ended = True
        self._writable.set()
        # A transport that has ended must not be used any more.
        self._transport = None
