"""Runs the web application inside the service's own event loop: no signal handlers, and an end within a second."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from tg_video_streamer.errors import ListenFailed

_log = structlog.get_logger(__name__)

_TRIED_PORTS = 20
_MOST_CONNECTIONS = 200
_ASKING_SECONDS = 20.0
"""How long a client may take to say what it wants, or to send what nobody waits for any more."""
_GOODBYE_SECONDS = 0.3
"""How long running responses may take to end after their streams were closed; then their connections are cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listener:
    """A socket that listens, and the address that a person opens in a browser."""

    socket: socket.socket
    host: str
    port: int

    @property
    def url(self) -> str:
        """The page's address; for a socket on every address, the one of this machine."""
        host = "127.0.0.1" if self.host in {"", "0.0.0.0"} else "::1" if self.host == "::" else self.host  # noqa: S104 - compared with, not bound to
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"


def listen(host: str, port: int, *, unread_seconds: float = 20.0) -> Listener:
    """Listen at `host`, at `port` or the first free one of the 20 after it (a WARNING names it); 0: any free port.

    `unread_seconds`: how long a client may leave unread what was sent to it, before the kernel ends its connection.

    Raises ListenFailed where nothing can listen there.
    """
    last = port if port == 0 else min(port + _TRIED_PORTS, 65_535)
    reason = "no port is free"
    for candidate in range(port, last + 1):
        try:
            bound = _bind(host, candidate, unread_seconds)
        except PermissionError as error:
            reason = str(error)
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno != errno.EADDRINUSE:
                break  # another port would not help
        else:
            listener = Listener(socket=bound, host=host, port=bound.getsockname()[1])
            if port not in {0, listener.port}:
                _log.warning("web port is taken, using the next free one", wanted=port, port=listener.port)
            return listener
    message = f"the web page cannot listen at {host or 'every address'}, port {port}: {reason}"
    raise ListenFailed(message, remedy="set WEB_HOST to an address of this machine and WEB_PORT to a free port")


async def serve(app: Starlette, listener: Listener, *, asking_seconds: float = _ASKING_SECONDS) -> None:
    """Answer until cancelled; then close the app's preview, every connection and the listener, within a second.

    A connection on which nothing is being answered is closed after `asking_seconds`, however its client drips bytes.
    Where it ends by an error the listener stays open, so that it can be called again with a new app.
    """
    config = uvicorn.Config(
        app,
        http=_patient(asking_seconds),
        ws="none",
        lifespan="off",
        loop="none",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
    )
    server = _Server(config)
    try:
        # A copy: asyncio closes the socket that it accepts on.
        await server.serve(sockets=[listener.socket.dup()])
    except asyncio.CancelledError:
        listener.socket.close()
        raise
    finally:
        app.state.live.close()
        app.state.preview.close()
        await server.end()


def _patient(seconds: float) -> type[H11Protocol]:
    """Uvicorn's protocol, which waits for a request for ever, with an end to that: each waiting client holds a place."""

    class Patient(H11Protocol):
        _limit: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
            super().connection_made(transport)
            self._time()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._untime()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._time()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._time()

        def _time(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._untime()
            elif self._limit is None and not self.transport.is_closing():
                self._limit = self.loop.call_later(seconds, self.transport.abort)

        def _untime(self) -> None:
            if self._limit is not None:
                self._limit.cancel()
                self._limit = None

    return Patient


class _Server(uvicorn.Server):
    """uvicorn without what a command of its own needs: signal handlers, a timer ten times a second, slow goodbyes."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the service."""
        yield

    async def main_loop(self) -> None:
        """Wait to be cancelled: there is nothing to do between requests."""
        await asyncio.Event().wait()

    async def end(self) -> None:
        """Stop accepting; let what runs finish for a moment; cut what is left."""
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_GOODBYE_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _bind(host: str, port: int, unread_seconds: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if host and not _is_address(host):
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it: a client that never reads is ended by the kernel, with all that it holds.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(unread_seconds * 1000))
        # Inherited too: without it a response's body waits 40 ms for the acknowledgement of its head.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind((host, port))
        listening.listen(128)
        listening.settimeout(0)
    except OSError:
        listening.close()
        raise
    return listening


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
