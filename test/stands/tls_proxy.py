"""A TCP relay to a local port that may speak TLS to its client and may be as slow as a bad link."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import Self

_LIMITED = True


class Relay:
    """A context in which connections to `port` are passed on to `target_port` of this host, both ways."""

    def __init__(
        self, target_port: int, *, tls: ssl.SSLContext | None = None, bytes_per_second: float | None = None
    ) -> None:
        """`tls` serves the client; `bytes_per_second` is how fast the client's bytes are read, None for as they come."""
        self._target_port = target_port
        self._tls = tls
        self.bytes_per_second = bytes_per_second
        """May be changed while it runs."""
        self._listener = socket.socket()
        # A small window: a slow reader shows at the sender after kilobytes instead of megabytes.
        if bytes_per_second is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        self.bytes_per_second = None
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for one in (self._listener, *self._sockets):
            one.close()

    def _spawn(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]  # any of our methods
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                if self._tls is not None:
                    client = self._tls.wrap_socket(client, server_side=True)
                    self._sockets.append(client)
            except ssl.SSLError:
                # The client refused our certificate, or left.
                continue
            except OSError:
                if self._listener.fileno() < 0 or not self._listening():
                    return
                continue
            server = socket.create_connection(("127.0.0.1", self._target_port))
            self._sockets.append(server)
            self._spawn(self._pass_on, client, server, _LIMITED)
            self._spawn(self._pass_on, server, client, not _LIMITED)

    def _listening(self) -> bool:
        try:
            return bool(self._listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        except OSError:
            return False

    def _pass_on(self, source: socket.socket, sink: socket.socket, limited: bool) -> None:  # noqa: FBT001 - positional
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                sink.sendall(data)
                if limited and self.bytes_per_second is not None:
                    time.sleep(len(data) / self.bytes_per_second)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
