"""Servers that are none: one that accepts and never reads a byte, and one that closes as soon as it has accepted."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class SilentServer:
    """A context in which a port accepts connections and says nothing."""

    def __init__(self, *, closes: bool = False) -> None:
        """`closes`: each connection is closed at once; otherwise it is left alone."""
        self._closes = closes
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        for one in (self._listener, *self._connections):
            one.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                if self._closes:
                    connection.close()
                else:
                    self._connections.append(connection)
