"""Makes one HTTP call and reads its status, without a thread that the end of the service would wait for."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote, urlsplit

_USUAL_PORTS = {"http": 80, "https": 443}
_STATUS_LINE_BYTES = 4096

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpTarget:
    """Where to call; what follows the host's name in its URL is secret as a whole."""

    host: str
    port: int
    tls: bool
    path: str = field(repr=False)
    head: str = field(repr=False)
    """The header lines that every call has."""

    def request(self, method: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        """One whole request. Raises ValueError where a header is not ASCII."""
        lines = [
            f"{method} {self.path} HTTP/1.1",
            self.head,
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        if method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii", "strict") + body


def http_target(url: str) -> HttpTarget:
    """`url` as a place to call. Raises ValueError where host, port or path cannot be read."""
    parts = urlsplit(url)
    if parts.scheme not in _USUAL_PORTS or not parts.hostname:
        raise ValueError("no http(s) URL with a host")
    port = parts.port or _USUAL_PORTS[parts.scheme]
    shown = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    lines = [
        f"Host: {shown}" if port == _USUAL_PORTS[parts.scheme] else f"Host: {shown}:{port}",
        "User-Agent: tg-video-streamer",
        "Connection: close",
    ]
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = HttpTarget(host=parts.hostname, port=port, tls=parts.scheme == "https", path=path, head="\r\n".join(lines))
    target.request("GET")
    return target


class HttpCaller:
    """Calls targets; the TLS settings are read once, at the first call that needs them."""

    def __init__(
        self, *, timeout_seconds: float, allowed: Callable[[str, str], bool] = lambda _host, _address: True
    ) -> None:
        """A call takes `timeout_seconds` at most, to addresses for which `allowed(host, address)` only."""
        self._timeout_seconds = timeout_seconds
        self._allowed = allowed
        self._tls: ssl.SSLContext | None = None

    async def call(self, target: HttpTarget, request: bytes) -> str:
        """Why the call failed; empty where it was answered by a status from 200 to 299. Redirects are not followed."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status = await self._answer(target, request)
        except TimeoutError:
            return f"no answer within {self._timeout_seconds:g} s"
        except ssl.SSLError as error:
            return f"TLS: {error.reason or 'failed'}"
        except OSError as error:
            # asyncio's own text has the address in it; a name that is not known has no number of the system's.
            known = error.errno is not None and error.errno > 0
            return os.strerror(error.errno or 0) if known else error.strerror or type(error).__name__
        except ValueError as error:
            return str(error)
        return "" if 200 <= status < 300 else f"it answered {status}"

    async def _answer(self, target: HttpTarget, request: bytes) -> int:
        """The HTTP status."""
        # Both may hang, and an executor's thread would then block the end of the service.
        if target.tls and self._tls is None:
            self._tls = await _in_thread(ssl.create_default_context)
        addresses = await _in_thread(lambda: _resolved(target.host, target.port))
        reader, writer = await self._connected(target, [one for one in addresses if self._allowed(target.host, one)])
        try:
            writer.write(request)
            words = (await reader.readline()).split(maxsplit=2)
            if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
                raise ValueError("the answer is not HTTP")
            return int(words[1])
        finally:
            writer.close()

    async def _connected(
        self, target: HttpTarget, addresses: list[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first address that takes one."""
        for address in addresses:
            try:
                return await asyncio.open_connection(
                    address,
                    target.port,
                    limit=_STATUS_LINE_BYTES,
                    ssl=self._tls if target.tls else None,
                    server_hostname=target.host if target.tls else None,
                )
            except OSError:
                if address == addresses[-1]:
                    raise
        raise OSError(errno.EADDRNOTAVAIL, "the host has no address that may be called")


def _resolved(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


async def _in_thread(work: Callable[[], Result]) -> Result:
    """What `work` answers, from a thread that nothing waits for where it hangs."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type] # None only where `work` gave it

    def body() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as failure:  # noqa: BLE001 - it is raised again where it is awaited
            error = failure
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=body, name="http", daemon=True).start()
    return await answer
