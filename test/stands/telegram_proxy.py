"""Proxies for Telegram on the loopback: SOCKS5 with a password, and MTProto's own obfuscation."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - nobody's
SOCKS_USER, SOCKS_PASSWORD = "me", "p@ss"
_PADDED = b"\xdd\xdd\xdd\xdd"


@dataclass(slots=True)
class Carried:
    """What a proxy has let through."""

    port: int = 0
    connections: int = 0


class _Refused(Exception):
    """The client did not say what the proxy wants to hear."""


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cipher: CipherContext | None) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(cipher.update(data) if cipher is not None else data)
            await writer.drain()
    writer.close()


async def _padded_to_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cipher: CipherContext) -> None:
    """Packets of the padded intermediate transport, without their padding, as the plain intermediate one."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            length = int.from_bytes(cipher.update(await reader.readexactly(4)), "little")
            packet = cipher.update(await reader.readexactly(length))
            # Encrypted packets are 24 bytes and whole AES blocks; plain ones say their length themselves.
            kept = 20 + int.from_bytes(packet[16:20], "little") if not any(packet[:8]) else length - (length - 24) % 16
            writer.write(kept.to_bytes(4, "little") + packet[:kept])
            await writer.drain()
    writer.close()


async def _socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    """The greeting, the password (RFC 1929) and the request (RFC 1928) for an IPv4 address or a name."""
    count = (await reader.readexactly(2))[1]
    if 2 not in await reader.readexactly(count):
        raise _Refused
    writer.write(b"\x05\x02")
    user = await reader.readexactly((await reader.readexactly(2))[1])
    password = await reader.readexactly((await reader.readexactly(1))[0])
    right = (user.decode(), password.decode()) == (SOCKS_USER, SOCKS_PASSWORD)
    writer.write(b"\x01\x00" if right else b"\x01\x01")
    if not right:
        raise _Refused
    kind = (await reader.readexactly(4))[3]
    length = 4 if kind == 1 else (await reader.readexactly(1))[0]
    raw = await reader.readexactly(length)
    host = ".".join(map(str, raw)) if kind == 1 else raw.decode()
    port = int.from_bytes(await reader.readexactly(2), "big")
    writer.write(b"\x05\x00\x00\x01" + bytes(6))
    return host, port


def _ciphers(header: bytes) -> tuple[CipherContext, CipherContext]:
    """From the client, to the client (https://core.telegram.org/mtproto/mtproto-transports#transport-obfuscation)."""
    backwards = header[8:56][::-1]
    secret = bytes.fromhex(SECRET)
    pair = []
    for material in (header[8:56], backwards):
        key = hashlib.sha256(material[:32] + secret).digest()
        pair.append(Cipher(algorithms.AES256(key), modes.CTR(material[32:48])).encryptor())
    return pair[0], pair[1]


@contextmanager
def socks_proxy() -> Iterator[Carried]:
    """A SOCKS5 proxy that wants the password."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, carried: Carried) -> None:
        host, port = await _socks(reader, writer)
        far_reader, far_writer = await asyncio.open_connection(host, port)
        carried.connections += 1
        await asyncio.gather(_pipe(reader, far_writer, None), _pipe(far_reader, writer, None))

    with _running(serve) as carried:
        yield carried


@contextmanager
def mtproto_proxy(target: int) -> Iterator[Carried]:
    """An MTProto proxy in front of the Telegram stand at port `target`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, carried: Carried) -> None:
        header = await reader.readexactly(64)
        from_client, to_client = _ciphers(header)
        if from_client.update(header)[56:60] != _PADDED:
            raise _Refused
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        far_writer.write(b"\xee\xee\xee\xee")
        carried.connections += 1
        await asyncio.gather(_padded_to_plain(reader, far_writer, from_client), _pipe(far_reader, writer, to_client))

    with _running(serve) as carried:
        yield carried


@contextmanager
def _running(serve: object) -> Iterator[Carried]:
    carried = Carried()
    loop = asyncio.new_event_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a server's callback runs in a task"
        assert callable(serve), "the way to serve is a coroutine function"
        tasks.add(task)
        try:
            with contextlib.suppress(_Refused, ConnectionError, asyncio.IncompleteReadError):
                await serve(reader, writer, carried)
        finally:
            tasks.discard(task)
            writer.close()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(accept, "127.0.0.1", 0)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, name="proxy stand", daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(120)
    carried.port = server.sockets[0].getsockname()[1]
    try:
        yield carried
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(120)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
