"""One TCP or TLS connection that can be timed out to the second and that knows what the far end has taken."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import select
import socket
import ssl
import struct
import termios
import threading
from typing import Any, TypeAlias

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import OutputLost, OutputRejected

_STEP_SECONDS = 0.1
"""How often a wait checks for cancellation."""
_SEND_BUFFER_BYTES = 256 * 1024
"""Cap of the kernel's queue: without it a stalled server shows seconds late. Enough for 4 Mbit/s over half a second."""
_READ_BYTES = 64 * 1024
_Socket: TypeAlias = socket.socket | ssl.SSLSocket
_Address: TypeAlias = tuple[int, tuple[Any, ...]]
"""Address family, and the argument of `connect`."""


class RtmpConnection:
    """A connection used by one thread; setting `cancelled` from another ends every wait within 0.1 s, with OutputLost."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        tls: bool,
        clock: Clock,
        cancelled: threading.Event,
        ca_file: str | None = None,
        connect_seconds: float = 4.0,
        stall_seconds: float = 5.0,
    ) -> None:
        """`ca_file` replaces the system's certificate authorities; `stall_seconds` without a byte drained: OutputLost."""
        self._place = f"{'rtmps' if tls else 'rtmp'}://{host}:{port}"
        self._host = host
        self._port = port
        self._context = ssl.create_default_context(cafile=ca_file) if tls else None
        self._clock = clock
        self._cancelled = cancelled
        self._connect_seconds = connect_seconds
        self._stall_seconds = stall_seconds
        self._socket: _Socket | None = None
        self._taken = 0
        self._moved_at = 0.0
        self.bytes_sent = 0
        """Handed to the kernel since it was opened, without what TLS adds."""

    def open(self) -> None:
        """Find the host, connect, and verify its certificate. Raises OutputLost, and OutputRejected for a bad certificate."""
        deadline = self._clock.monotonic() + self._connect_seconds
        failure = OSError("no address")
        addresses = self._addresses(deadline)
        for index, (family, address) in enumerate(addresses):
            now = self._clock.monotonic()
            share = now + (deadline - now) / (len(addresses) - index)
            try:
                self._socket = self._connected(family, address, share)
                break
            except OSError as error:
                failure = error
        if self._socket is None:
            raise self._lost("refused", failure) from failure
        if self._context is not None:
            self._socket = self._secured(self._socket, self._context, deadline + self._connect_seconds)
        self._moved_at = self._clock.monotonic()

    def send(self, data: bytes) -> None:
        """Hand all of `data` to the kernel; raises OutputLost where nothing drains for `stall_seconds`."""
        view = memoryview(data)
        while view:
            try:
                sent = self._open_socket.send(view)
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(select.POLLOUT)
                self.check()
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)
                self.check()
            except OSError as error:
                raise self._lost("broke", error) from error
            else:
                self.bytes_sent += sent
                view = view[sent:]
        self.check()

    def receive(self, seconds: float = 0.0) -> bytes | None:
        """What has arrived, after waiting up to `seconds` for it: empty where nothing has, None where the end closed."""
        deadline = self._clock.monotonic() + seconds
        while True:
            try:
                return self._open_socket.recv(_READ_BYTES) or None
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    return b""
                self._wait(select.POLLIN, min(left, _STEP_SECONDS))
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return None
            except OSError as error:
                raise self._lost("broke", error) from error

    def taken(self) -> int:
        """Bytes that the far end's TCP has acknowledged; on TLS a little less, since its framing is in the queue too."""
        waiting = struct.unpack("i", fcntl.ioctl(self._open_socket.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
        if not waiting or self.bytes_sent - waiting > self._taken:
            self._taken = self.bytes_sent - waiting
            self._moved_at = self._clock.monotonic()
        return self._taken

    def check(self) -> None:
        """Raise OutputLost where bytes wait and none has drained for `stall_seconds`."""
        self.taken()
        if self._clock.monotonic() - self._moved_at >= self._stall_seconds:
            raise OutputLost.of("connection.stalled", place=self._place, seconds=self._stall_seconds)

    def finish(self, seconds: float = 0.5) -> None:
        """Say that nothing follows and wait up to `seconds` for the far end to close; then close."""
        if self._socket is None:
            return
        # An orderly end is a courtesy: whatever fails here, the connection is over and was reported before.
        with contextlib.suppress(OSError):
            if isinstance(self._socket, ssl.SSLSocket):
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    self._socket.unwrap()
            self._socket.shutdown(socket.SHUT_WR)
            deadline = self._clock.monotonic() + seconds
            while (left := deadline - self._clock.monotonic()) > 0 and self._still_open(self._socket, left):
                pass
        self.close()

    def close(self) -> None:
        """Close at once; nothing that still waits is sent."""
        if self._socket is not None:
            # Linger 0 sends a reset: a server that is merely slow must not hold the stream's name for long.
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()
            self._socket = None

    @staticmethod
    def _still_open(connection: _Socket, seconds: float) -> bool:
        """Read and forget what the far end still says; a cancelled connection may end in order too, so it is not asked."""
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.poll(seconds * 1000)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            return bool(connection.recv(_READ_BYTES))
        return True

    @property
    def _open_socket(self) -> _Socket:
        if self._socket is None:
            raise OutputLost.of("connection.none", place=self._place)
        return self._socket

    def _addresses(self, deadline: float) -> list[_Address]:
        """Families and addresses of the host. The system's resolver cannot be timed out, so a thread waits for it."""
        answers: queue.SimpleQueue[list[_Address] | OSError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                answers.put([(family, address) for family, _, _, _, address in found])
            except OSError as error:
                answers.put(error)

        threading.Thread(target=ask, name="name look-up", daemon=True).start()
        while self._clock.monotonic() < deadline:
            self._stop_if_cancelled()
            try:
                answer = answers.get(timeout=_STEP_SECONDS)
            except queue.Empty:
                continue
            if isinstance(answer, OSError):
                raise self._lost("no_name", answer) from answer
            return answer
        raise OutputLost.of("connection.name_slow", place=self._place, seconds=self._connect_seconds)

    def _connected(self, family: int, address: tuple[Any, ...], deadline: float) -> socket.socket:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(BlockingIOError):
                connection.connect(address)
            self._await_connection(connection, deadline)
        except BaseException:
            connection.close()
            raise
        return connection

    def _await_connection(self, connection: socket.socket, deadline: float) -> None:
        while not self._ready(connection, select.POLLOUT):
            if self._clock.monotonic() >= deadline:
                raise TimeoutError(f"no answer within {self._connect_seconds:g} s")
        if code := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))

    def _secured(self, connection: _Socket, context: ssl.SSLContext, deadline: float) -> ssl.SSLSocket:
        try:
            secured = context.wrap_socket(connection, server_hostname=self._host, do_handshake_on_connect=False)
            self._socket = secured
            while True:
                try:
                    secured.do_handshake()
                except ssl.SSLWantReadError:
                    self._wait(select.POLLIN)
                except ssl.SSLWantWriteError:
                    self._wait(select.POLLOUT)
                else:
                    return secured
                if self._clock.monotonic() >= deadline:
                    raise TimeoutError(f"no TLS answer within {self._connect_seconds:g} s")
        except ssl.SSLCertVerificationError as error:
            detail = error.verify_message
            raise OutputRejected.of("connection.certificate", place=self._place, detail=detail) from error
        except OSError as error:
            raise self._lost("no_tls", error) from error

    def _wait(self, events: int, seconds: float = _STEP_SECONDS) -> None:
        self._ready(self._open_socket, events, seconds)

    def _ready(self, connection: _Socket, events: int, seconds: float = _STEP_SECONDS) -> bool:
        self._stop_if_cancelled()
        poll = select.poll()
        poll.register(connection, events)
        return bool(poll.poll(seconds * 1000))

    def _stop_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise OutputLost.of("output.stopping")

    def _lost(self, how: str, error: OSError) -> OutputLost:
        detail = error.strerror or str(error) or type(error).__name__
        return OutputLost.of(f"connection.{how}", place=self._place, detail=detail)
