"""One HTTP connection: limits on a request's head before anything is parsed, on its time, and on idle connections."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tg_video_streamer.locales.translator import ENGLISH, Translator
from tg_video_streamer.web.auth.client_address import network_of

MAX_HEAD_BYTES = 16 * 1024
"""Of a request: its first line and its headers."""
MAX_TARGET_BYTES = 6 * 1024
"""The longest address of a page is a search of 200 letters with each byte percent-encoded."""
MAX_PARAMETERS = 32
MAX_HEADERS = 100
MAX_COOKIES = 200
"""Browsers send those of every port of a host."""
MAX_CONNECTIONS = 200
MIN_CONNECTIONS = 4
PROGRAM_DESCRIPTORS = 48
_HEAD_END = re.compile(rb"\n\r?\n")


def head_problem(data: bytes) -> HTTPStatus | None:
    """Why a head that starts `data` is refused: a few scans of at most MAX_HEAD_BYTES, whatever it holds."""
    found = _HEAD_END.search(data, 0, MAX_HEAD_BYTES + 1)
    end = found.start() if found is not None else min(len(data), MAX_HEAD_BYTES + 1)
    line_end = data.find(b"\n", 0, end)
    line = data[: line_end if line_end >= 0 else end]
    if len(line) > MAX_TARGET_BYTES or line.count(b"&") >= MAX_PARAMETERS:
        return HTTPStatus.REQUEST_URI_TOO_LONG
    if end > MAX_HEAD_BYTES or data.count(b"\n", 0, end) > MAX_HEADERS or data.count(b";", 0, end) > MAX_COOKIES:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return None


class _BoundedParser(h11.Connection):
    """h11 with limits: its own counts only heads that are not complete."""

    problem: HTTPStatus | None = None

    def next_event(self) -> Any:
        """See h11.Connection; a head beyond the limits is an error, and is not parsed."""
        if self.their_state is h11.IDLE and self.problem is None:
            self.problem = head_problem(self.trailing_data[0])
        if self.problem is not None:
            raise h11.RemoteProtocolError(self.problem.phrase, error_status_hint=self.problem.value)
        return super().next_event()


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionLimits:
    """How many connections, in all and from one address that is no proxy of ours."""

    total: int = MAX_CONNECTIONS
    is_proxy: Callable[[str], bool] = lambda _address: False

    @property
    def per_address(self) -> int:
        """Half of them, so that one client leaves room for the operator."""
        return max(1, self.total // 2)

    @property
    def event_streams(self) -> int:
        """Open pages, each with a stream of events."""
        return max(1, self.total * 3 // 5)

    @property
    def event_streams_per_client(self) -> int:
        """Those of one client."""
        return max(1, self.total // 5)

    @property
    def viewers(self) -> int:
        """Progressive streams of the preview."""
        return max(1, self.total // 6)


def affordable_connections(max_files: int) -> int:
    """As many as a limit of open files allows next to the outputs, feeds and files of the program."""
    return min(MAX_CONNECTIONS, max(MIN_CONNECTIONS, (max_files - PROGRAM_DESCRIPTORS) // 2))


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldConnection:
    """An open connection; `number` grows with each one, `idle`: no request of it is being answered."""

    number: int
    address: str
    idle: bool


def surplus_connection(new: HeldConnection, held: Collection[HeldConnection], limits: ConnectionLimits) -> int | None:
    """The one to close now that `new` is among the `held`: the oldest idle one, first of the address that has most."""
    if len(held) <= limits.per_address:
        return None
    counts = Counter(network_of(one.address) for one in held)
    mine = network_of(new.address)
    if counts[mine] > limits.per_address and not limits.is_proxy(new.address):
        held = [one for one in held if network_of(one.address) == mine]
    elif len(held) <= limits.total:
        return None
    idle = [one for one in held if one.idle and one.number != new.number]
    if not idle:
        return new.number
    return min(idle, key=lambda one: (-counts[network_of(one.address)], one.number)).number


class BoundedProtocol(H11Protocol):
    """Uvicorn's protocol with limits: it has none, and each waiting client holds a descriptor."""

    limits: ConnectionLimits
    request_seconds: float
    _numbers = count()
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn = _BoundedParser(h11.SERVER, MAX_HEAD_BYTES)
        self.number = next(self._numbers)

    @property
    def held(self) -> HeldConnection:
        """It as the limits see it."""
        idle = self.cycle is None or self.cycle.response_complete
        return HeldConnection(number=self.number, address=self.client[0] if self.client else "", idle=idle)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._start_timer()
        held = {one.number: one for one in self.connections if isinstance(one, BoundedProtocol)}
        if (surplus := surplus_connection(self.held, [one.held for one in held.values()], self.limits)) is not None:
            held[surplus].transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self._stop_timer()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        self._start_timer()

    def on_response_complete(self) -> None:
        """See H11Protocol."""
        super().on_response_complete()
        self._start_timer()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, or is beyond the limits."""
        problem = self.conn.problem if isinstance(self.conn, _BoundedParser) else None
        if problem is None:
            super().send_400_response(msg)
            return
        self.transport.write(_refusal(problem, Translator(language=ENGLISH).text("web.head_too_large")))
        self.transport.close()

    def _start_timer(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_timer()
        elif self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(self.request_seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def protocol_class(*, request_seconds: float, limits: ConnectionLimits) -> type[H11Protocol]:
    """The protocol with these limits, for uvicorn."""
    return type("LimitedProtocol", (BoundedProtocol,), {"request_seconds": request_seconds, "limits": limits})


def _refusal(problem: HTTPStatus, text: str) -> bytes:
    body = f"{text}\n".encode()
    head = (
        f"HTTP/1.1 {problem.value} {problem.phrase}\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
