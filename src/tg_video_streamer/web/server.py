"""Runs the web application in the service's event loop, without signal handlers; stops within a second."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
import uvicorn
from starlette.applications import Starlette

from tg_video_streamer.errors import ListenFailed
from tg_video_streamer.web.auth.client_address import TrustedProxies
from tg_video_streamer.web.connection import ConnectionLimits, affordable_connections, protocol_class
from tg_video_streamer.web.security_headers import is_address

_log = structlog.get_logger(__name__)

_TRIED_PORTS = 20
_REQUEST_SECONDS = 20.0
"""The time limit for a client to send its request, or the rest of a body that is no longer read."""
_SHUTDOWN_SECONDS = 0.3
"""The time limit for running responses after their streams were closed; then their connections are cut."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listener:
    """A listening socket and its URL."""

    socket: socket.socket
    host: str
    port: int

    @property
    def url(self) -> str:
        """The page's URL; the loopback address if it listens on every address."""
        host = "127.0.0.1" if self.host in {"", "0.0.0.0"} else "::1" if self.host == "::" else self.host  # noqa: S104 - compared with, not bound to
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"


def listen(host: str, port: int, *, unread_seconds: float = 20.0) -> Listener:
    """Listen at `port` or the first free one of the 20 after it (logged as a warning); 0: any free port.

    `unread_seconds`: the kernel ends a connection whose client does not read for this long. Raises ListenFailed.
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
    raise ListenFailed.of("listen.web", host=host or "*", port=str(port), detail=reason)


async def serve(
    app: Starlette,
    listener: Listener,
    *,
    request_seconds: float = _REQUEST_SECONDS,
    limits: ConnectionLimits | None = None,
) -> None:
    """Serve until cancelled; then close the app's streams, all connections and the listener, within a second.

    An idle connection is closed after `request_seconds`, even if its client sends single bytes. After an error the
    listener stays open, so that this can be called again with a new app. `limits`: None for as many connections as the
    limit of open files allows.
    """
    limits = limits or _affordable(app.state.access.proxies)
    app.state.updates.limits = limits
    app.state.preview.max_streams = limits.viewers
    config = uvicorn.Config(
        app,
        http=protocol_class(request_seconds=request_seconds, limits=limits),
        ws="none",
        lifespan="off",
        loop="none",
        interface="asgi3",
        log_config=None,
        # Its warnings are of requests that it cannot read: any client could fill the log.
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        # As many are accepted at once: a burst must not take the program's descriptors for a moment either.
        backlog=min(limits.total, 128),
        date_header=False,
    )
    server = _Server(config)
    try:
        # A copy: asyncio closes the socket that it accepts on.
        await server.serve(sockets=[listener.socket.dup()])
    except asyncio.CancelledError:
        listener.socket.close()
        raise
    finally:
        app.state.updates.close()
        app.state.preview.close()
        await server.end()


def _affordable(proxies: TrustedProxies | None) -> ConnectionLimits:
    total = affordable_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return ConnectionLimits(total=total, is_proxy=proxies.trusts if proxies is not None else _is_no_proxy)


def _is_no_proxy(_address: str) -> bool:
    return False


class _Server(uvicorn.Server):
    """uvicorn without signal handlers, its ten-per-second timer and its slow shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the service."""
        yield

    async def main_loop(self) -> None:
        """Wait to be cancelled."""
        await asyncio.Event().wait()

    async def end(self) -> None:
        """Stop accepting, let responses finish for a moment, then cut them."""
        for server in getattr(self, "servers", ()):
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_SHUTDOWN_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _bind(host: str, port: int, unread_seconds: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if host and not is_address(host):
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by accepted connections: the kernel ends a client that never reads.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(unread_seconds * 1000))
        # Inherited too: without it a response's body waits 40 ms for the acknowledgement of its header.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind((host, port))
        listening.listen(128)
        listening.settimeout(0)
    except OSError:
        listening.close()
        raise
    return listening
