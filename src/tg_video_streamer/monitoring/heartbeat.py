"""Calls HEARTBEAT_URL every minute while the channel is on air, so that a monitoring service notices an outage."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import structlog

from tg_video_streamer.control.status import ServiceStatus

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 60.0
TIMEOUT_SECONDS = 10.0
CHECK_SECONDS = 2.0
"""How soon a channel that returns to air is reported."""
_ON_AIR = frozenset({"on_air", "on_backup", "on_filler"})
_USUAL_PORTS = {"http": 80, "https": 443}
_STATUS_LINE_BYTES = 4096

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class HeartbeatTarget:
    """Where to call; `request` is secret as a whole."""

    host: str
    port: int
    tls: bool
    request: bytes = field(repr=False)


def truly_on_air(status: ServiceStatus) -> bool:
    """Media leaves to every output that is meant to have it, and it is an item or filler, not the slate."""
    return status.healthy and status.channel_state in _ON_AIR


def heartbeat_target(url: str) -> HeartbeatTarget:
    """`url` as a place to connect to and the whole request. Raises ValueError where host or port cannot be read."""
    parts = urlsplit(url)
    if parts.scheme not in _USUAL_PORTS or not parts.hostname:
        raise ValueError("no http(s) URL with a host")
    port = parts.port or _USUAL_PORTS[parts.scheme]
    shown = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {shown}" if port == _USUAL_PORTS[parts.scheme] else f"Host: {shown}:{port}",
        "User-Agent: tg-video-streamer",
        "Connection: close",
    ]
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    request = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii", "strict")
    return HeartbeatTarget(host=parts.hostname, port=port, tls=parts.scheme == "https", request=request)


def heartbeat_problems(url: str) -> list[str]:
    """What is wrong with HEARTBEAT_URL, one line, which never repeats it."""
    if not url:
        return []
    try:
        heartbeat_target(url)
    except ValueError:
        return ["HEARTBEAT_URL: host, port or path cannot be read; write letters other than ASCII as %XX"]
    return []


class Heartbeat:
    """One call a period; a failure is logged once and affects nothing else."""

    def __init__(
        self,
        url: str,
        *,
        status: Callable[[], ServiceStatus],
        period_seconds: float = PERIOD_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """An empty `url` disables it. Raises ValueError as `heartbeat_target` does."""
        self._target = heartbeat_target(url) if url else None
        self._status = status
        self._period_seconds = period_seconds
        self._timeout_seconds = timeout_seconds
        self._failing = False
        self._tls: ssl.SSLContext | None = None

    async def run(self) -> None:
        """Call while it is true, until cancelled."""
        if self._target is None:
            await asyncio.Event().wait()
            return
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            if truly_on_air(self._status()):
                self._log_change(await self._call(self._target))
                # A call that took long shortens the pause.
                await asyncio.sleep(max(0.0, began + self._period_seconds - loop.time()))
            else:
                await asyncio.sleep(min(self._period_seconds, CHECK_SECONDS))

    async def _call(self, target: HeartbeatTarget) -> str:
        """Why the call failed; empty where it was answered well."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status = await self._answer(target)
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

    async def _answer(self, target: HeartbeatTarget) -> int:
        """The HTTP status."""
        # Both may hang, and an executor's thread would then block the end of the service.
        if target.tls and self._tls is None:
            self._tls = await _in_thread(ssl.create_default_context)
        addresses = await _in_thread(lambda: _resolved(target.host, target.port))
        reader, writer = await self._connected(target, addresses)
        try:
            writer.write(target.request)
            words = (await reader.readline()).split(maxsplit=2)
            if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
                raise ValueError("the answer is not HTTP")
            return int(words[1])
        finally:
            writer.close()

    async def _connected(
        self, target: HeartbeatTarget, addresses: list[str]
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
        raise OSError(errno.EADDRNOTAVAIL, "the host has no address")

    def _log_change(self, problem: str) -> None:
        if problem and not self._failing:
            log.warning("heartbeat failed; retried each minute", reason=problem)
        elif self._failing and not problem:
            log.info("heartbeat works again")
        self._failing = bool(problem)


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

    threading.Thread(target=body, name="heartbeat", daemon=True).start()
    return await answer
