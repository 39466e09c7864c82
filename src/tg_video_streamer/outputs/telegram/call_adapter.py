"""One attempt at a video chat: a worker child reads FLV and takes part; the event loop signals to Telegram."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import (
    ChildFailed,
    OutputLost,
    OutputRejected,
    SessionUnreachable,
    StreamerError,
    TelegramRefused,
)
from tg_video_streamer.ffmpeg.child import FedChild
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import CodecHeaders, Stamped
from tg_video_streamer.outputs.adapter import STALL_SECONDS
from tg_video_streamer.outputs.flv_pipe import FlvPipe
from tg_video_streamer.outputs.timestamps import RTMP_LIMIT_TICKS
from tg_video_streamer.telegram.call.call import CHECK_SECONDS, PASSING, GroupCall
from tg_video_streamer.telegram.chat.lookup import input_peer
from tg_video_streamer.telegram.chat.reference import Chat
from tg_video_streamer.telegram.client.account import Account

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

HANG_SECONDS = 3.0
"""A worker that reports nothing for this long is killed; it reports twice a second."""
_OPEN_SECONDS = 15.0
_STEP_SECONDS = 0.05
_LEAVE_SECONDS = 1.0
_PLAY_OUT_SECONDS = 0.8
"""Together with leaving it is less than a handler may take to stop."""
WORKER = "tg_video_streamer.telegram.call.worker"
_BROKEN_STATES = frozenset({"failed", "timeout", "closed"})


def worker_command(house: HouseFormat) -> list[str]:
    """The child's command line; there is nothing secret in it."""
    return [sys.executable, "-I", "-m", WORKER, str(house.width), str(house.height), str(house.frame_rate)]


class CallAdapter:
    """See Adapter."""

    def __init__(
        self,
        call: GroupCall,
        headers: CodecHeaders,
        *,
        house: HouseFormat,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        cancelled: threading.Event,
        stall_seconds: float = STALL_SECONDS,
        hang_seconds: float = HANG_SECONDS,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        """`loop` is that of `call`; it must run until the handler was stopped, or the call is not left."""
        self.limit_ticks: int | None = RTMP_LIMIT_TICKS
        self._call = call
        self._house = house
        self._loop = loop
        self._clock = clock
        self._cancelled = cancelled
        self._stall_seconds = stall_seconds
        self._hang_seconds = hang_seconds
        self._check_seconds = check_seconds
        self._flv = FlvPipe(headers, house)
        self._child: FedChild | None = None
        self._lines = b""
        self._join: dict[str, Any] | None = None
        self._state = ""
        self._frames = 0
        self._sent = 0
        self._spoke_at = self._moved_at = self._checked_at = clock.monotonic()
        self._check: Future[None] | None = None
        self._broken = False

    def open(self) -> None:
        """See Adapter; waits for as long as joining is not allowed (FLOOD_WAIT)."""
        self._broken = True
        while (pause := self._call.pause()) > 0:
            if self._cancelled.wait(min(pause, 1.0)):
                raise OutputLost.of("output.stopping")
        deadline = self._clock.monotonic() + _OPEN_SECONDS
        self._signal(self._call.ready(), deadline)
        command = worker_command(self._house)
        self._child = FedChild(command, clock=self._clock, cancelled=self._cancelled)
        while self._join is None:
            self._listen_until(deadline, "call.worker_not_started")
        payload = json.dumps(self._join)
        answer = self._signal(self._call.join(payload, int(self._join["ssrc"])), deadline)
        self._write(json.dumps(json.loads(answer)).encode() + b"\n")
        while self._state != "connected":
            self._listen_until(deadline, "call.server_silent")
        self._spoke_at = self._moved_at = self._checked_at = self._clock.monotonic()
        self._broken = False

    def send(self, packets: Sequence[Stamped]) -> None:
        """See Adapter."""
        if not self._sent:
            self._moved_at = self._clock.monotonic()
        data = self._flv.packed(packets)
        self._write(data)
        self._sent += len(data)
        self.attend()
        if self._clock.monotonic() - self._moved_at >= self._stall_seconds:
            self._fail(Message.of("call.worker_stalled", seconds=self._stall_seconds))

    def attend(self) -> None:
        """See Adapter."""
        self._listen()
        now = self._clock.monotonic()
        if now - self._spoke_at >= self._hang_seconds:
            self._fail(Message.of("call.worker_hung", seconds=self._hang_seconds))
        if self._call.lost is not None:
            self._fail(self._call.lost)
        if self._check is not None and self._check.done():
            check, self._check = self._check, None
            self._result(check)
        if self._check is None and now - self._checked_at >= self._check_seconds:
            self._checked_at = now
            self._check = asyncio.run_coroutine_threadsafe(self._call.check(), self._loop)

    def delivering(self) -> bool:
        """See Adapter: the connection stands, and pictures were handed to it."""
        return self._state == "connected" and self._frames > 0

    def close(self) -> None:
        """See Adapter; after the program's end, what the worker still has is played."""
        child, self._child = self._child, None
        in_order = not self._broken and not self._cancelled.is_set()
        if child is not None and in_order:
            child.end(_PLAY_OUT_SECONDS)
        leaving = asyncio.run_coroutine_threadsafe(self._call.leave(), self._loop)
        if child is not None and not in_order:
            child.end(0.0)
        try:
            leaving.result(_LEAVE_SECONDS)
        except FutureTimeoutError:
            # It continues in the loop, with its own deadline.
            log.warning("video chat not left in time")

    @property
    def bytes_sent(self) -> int:
        """See Adapter: what the worker has taken."""
        return self._sent

    def _signal(self, work: Coroutine[Any, Any, Result], deadline: float) -> Result:
        """Run `work` in the event loop, with an eye on the worker. Raises OutputError."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while not future.done():
                self._listen_until(deadline, "telegram.silent")
        finally:
            future.cancel()
        return self._result(future)

    def _result(self, future: Future[Result]) -> Result:
        try:
            return future.result(0)
        except CancelledError:
            raise OutputLost.of("output.stopping") from None
        except TelegramRefused as refused:
            self._broken = True
            kind = OutputLost if refused.word in PASSING else OutputRejected
            raise kind.because_of(refused) from refused
        except SessionUnreachable as trouble:
            self._broken = True
            raise OutputLost.because_of(trouble) from trouble
        except StreamerError as error:
            self._broken = True
            raise OutputRejected.because_of(error) from error

    def _listen_until(self, deadline: float, key: str) -> None:
        """Wait a little and listen. Raises OutputLost with the text of `key` after `deadline`."""
        if self._cancelled.wait(_STEP_SECONDS):
            raise OutputLost.of("output.stopping")
        self._listen()
        if self._call.lost is not None:
            raise OutputLost(self._call.lost)
        if self._clock.monotonic() >= deadline:
            raise OutputLost.of(key)

    def _write(self, data: bytes) -> None:
        try:
            self._running.write(data, stall_seconds=self._stall_seconds)
        except ChildFailed as error:
            self._fail(error.message)

    def _listen(self) -> None:
        if self._child is None:
            return
        try:
            self._lines += self._child.read()
        except ChildFailed as error:
            self._fail(error.message)
        *lines, self._lines = self._lines.split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, fact: dict[str, Any]) -> None:
        self._spoke_at = self._clock.monotonic()
        self._join = fact.get("join", self._join)
        self._state = fact.get("state", self._state)
        if fact.get("frames", self._frames) != self._frames:
            self._frames = fact["frames"]
            self._moved_at = self._spoke_at
        if self._state in _BROKEN_STATES:
            self._fail(Message.of("call.connection", state=self._state))

    def _fail(self, problem: Message) -> None:
        self._broken = True
        raise OutputLost.of("call.failed", problem=problem)

    @property
    def _running(self) -> FedChild:
        if self._child is None:
            raise OutputLost.of("telegram.not_connected")
        return self._child


def group_call(
    account: Callable[[], Account],
    chat: Chat,
    *,
    clock: Clock,
    as_channel: bool,
    refused: Callable[[Chat, TelegramRefused], object],
) -> GroupCall:
    """Our part in the video chat of `chat`; `account` gives the connected one of the moment, or raises SessionError.

    `refused` is called with each refusal: Telegram may know the chat by another number.
    """
    return GroupCall(
        account=account,
        peer=input_peer(chat),
        clock=clock,
        as_channel=as_channel,
        refused=lambda refusal: refused(chat, refusal),
    )
