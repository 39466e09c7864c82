"""Answers the control socket: each client asks one thing and gets one answer, and none can hold the service up."""

from __future__ import annotations

import asyncio
import socket
import struct

import structlog

from tg_video_streamer.control.commands import Commands
from tg_video_streamer.control.execute import Caller, Origin, execute
from tg_video_streamer.control.socket import protocol
from tg_video_streamer.errors import ControlError

log = structlog.get_logger(__name__)

MAX_CLIENTS = 64
"""At once; later ones wait in the backlog."""
CLIENT_SECONDS = 3.0
"""To send the whole request, and again to take the whole answer."""
ACCEPT_PAUSE_SECONDS = 1.0
"""After the kernel refused a connection, for example for want of descriptors."""
READ_BYTES = 64 * 1024


async def serve(
    listener: socket.socket,
    commands: Commands,
    *,
    max_clients: int = MAX_CLIENTS,
    client_seconds: float = CLIENT_SECONDS,
) -> None:
    """Answer until cancelled; `listener` is the non-blocking one of a ClaimedFolder. `commands` run in this loop's thread."""
    loop = asyncio.get_running_loop()
    free_places = asyncio.Semaphore(max_clients)
    async with asyncio.TaskGroup() as clients:
        while True:
            await free_places.acquire()
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                free_places.release()
                log.warning("control socket accepts no clients for a moment", error=error.strerror)
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            except BaseException:
                free_places.release()
                raise
            clients.create_task(_serve_client(client, commands, free_places, client_seconds))


async def _serve_client(
    client: socket.socket, commands: Commands, free_places: asyncio.Semaphore, client_seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(client_seconds):
            line = await _read_line(client)
        if line is None:
            return
        reply = await _answer(line, commands, _caller(client))
        async with asyncio.timeout(client_seconds):
            await loop.sock_sendall(client, reply)
    except TimeoutError:
        log.debug("control client was too slow", limit_seconds=client_seconds)
    except OSError as error:
        log.debug("control client went away", error=error.strerror)
    finally:
        client.close()
        free_places.release()


async def _read_line(client: socket.socket) -> bytes | None:
    """The first line, cut off beyond the limit; None where the client left without a word."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while True:
        part = await loop.sock_recv(client, READ_BYTES)
        if not part:
            return bytes(received) or None
        received += part
        end = received.find(b"\n")
        if end >= 0:
            return bytes(received[:end])
        if len(received) > protocol.MAX_REQUEST_BYTES:
            return bytes(received)


async def _answer(line: bytes, commands: Commands, caller: Caller) -> bytes:
    if len(line) > protocol.MAX_REQUEST_BYTES:
        return protocol.failure(ControlError.of("refused.request_too_long", limit=protocol.MAX_REQUEST_BYTES))
    try:
        return protocol.success(await execute(commands, protocol.parse_request(line), caller))
    except ControlError as error:
        return protocol.failure(error)


def _caller(client: socket.socket) -> Caller:
    """Who is at the other end, as the kernel knows: SO_PEERCRED gives pid, uid and gid (unix(7))."""
    _, user, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Caller(origin=Origin.SOCKET, name=f"uid {user}")
