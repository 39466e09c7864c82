"""Sends one command to a running service over its control socket, and returns the answer within a time limit."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tg_video_streamer.control.socket import protocol
from tg_video_streamer.control.socket.address import short_address
from tg_video_streamer.errors import ControlError, NoService

ANSWER_SECONDS = 5.0
READ_BYTES = 256 * 1024


def ask(
    folder: Path, command: str, arguments: Mapping[str, Any] | None = None, *, timeout_seconds: float = ANSWER_SECONDS
) -> Any:
    """The answer of the service whose STATE_DIR is `folder`, as a JSON value.

    Raises NoService where none runs there; ControlError where it refuses (in its own words), does not answer in time,
    or belongs to another user.
    """
    deadline = time.monotonic() + timeout_seconds
    request = protocol.encode({"command": command, **(arguments or {})})
    if len(request) > protocol.MAX_REQUEST_BYTES:
        raise ControlError.of("refused.request_too_long", limit=protocol.MAX_REQUEST_BYTES)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            _connect(connection, folder, timeout_seconds)
            connection.settimeout(_left(deadline))
            connection.sendall(request)
            line = _read_line(connection, deadline)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise NoService.of("service.none", folder=str(folder)) from error
    except PermissionError as error:
        raise ControlError.of("service.other_user", folder=str(folder)) from error
    except (TimeoutError, BlockingIOError) as error:
        raise ControlError.of("service.slow", folder=str(folder), seconds=f"{timeout_seconds:g}") from error
    except OSError as error:
        raise ControlError.of("service.broken", folder=str(folder), detail=str(error.strerror)) from error
    return protocol.parse_reply(line)


def _connect(connection: socket.socket, folder: Path, timeout_seconds: float) -> None:
    """Connect, waiting while the backlog is full: a non-blocking connect would fail at once there (unix(7): EAGAIN)."""
    whole = int(timeout_seconds)
    microseconds = int((timeout_seconds - whole) * 1_000_000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", whole, microseconds))
    with short_address(folder) as address:
        connection.connect(address)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        connection.settimeout(_left(deadline))
        part = connection.recv(READ_BYTES)
        if not part:
            raise ControlError.of("service.ended")
        received += part
        if len(received) > protocol.MAX_REPLY_BYTES:
            raise ControlError.of("service.answer_too_long")
    return bytes(received)
