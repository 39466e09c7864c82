"""What an encoder's child is fed through: a pipe that is written to from the event loop, and says when it has room."""

from __future__ import annotations

import asyncio
import os

_AHEAD_BYTES = 512 * 1024
"""How much may wait for the child beside what the pipe itself holds: half a second of the richest stream."""


class ChildPipe(asyncio.BaseProtocol):
    """The writing end; what is written before `connect` waits. A child that has gone takes everything, for nobody."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._waiting = bytearray()
        self._room = asyncio.Event()
        self._room.set()
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
        """Hand on `data` behind what was written before."""
        if self._ended:
            return
        if self._transport is None:
            self._waiting += data
        else:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until there is room, or nobody who takes anything."""
        await self._room.wait()

    def end(self) -> None:
        """Nothing follows: the child gets what was written, and then the end of its input."""
        self._ended = True
        if self._transport is not None:
            self._transport.close()

    def abandon(self) -> None:
        """The child has gone, or is to go."""
        self._ended = True
        self._room.set()
        self._waiting.clear()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def pause_writing(self) -> None:
        """Called by asyncio when too much waits."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Called by asyncio when that is over."""
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a child that died is its reader's to tell
        """Called by asyncio when the pipe is closed, or the child has closed its end."""
        self._ended = True
        self._room.set()
        # A transport that has ended can be asked nothing any more.
        self._transport = None
