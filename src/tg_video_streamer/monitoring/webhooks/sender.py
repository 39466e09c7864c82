"""Sends webhook messages: a bounded queue and a worker for each address, so that a slow one delays nothing else."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import NamedTuple
from uuid import uuid4

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.events import Event
from tg_video_streamer.monitoring.http_call import HttpCaller, HttpTarget, http_target
from tg_video_streamer.monitoring.webhooks.message import (
    StateChanged,
    Subject,
    WebhookKind,
    WebhookMessage,
    kinds_of,
    message_of,
    secret_bytes,
    signature,
)
from tg_video_streamer.resolve.public_addresses import is_public

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 10.0
RETRY_PAUSES = (1.0, 5.0, 30.0, 120.0)
"""After an attempt that failed, the last one repeatedly."""
GIVE_UP_SECONDS = 3600.0
"""A message that is older is of no use to who acts on it."""
WAITING_AT_MOST = 1000


class _Waiting(NamedTuple):
    kind: WebhookKind
    subject: Subject
    message_id: str


class Webhooks:
    """For the event loop's thread; without addresses it does nothing."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        secret: str,
        host: str,
        state: Callable[[], str],
        clock: Clock,
        retry_pauses: Sequence[float] = RETRY_PAUSES,
    ) -> None:
        """`host` names this host in each message, `state` answers the channel's state. Raises ValueError as `http_target`."""
        self._state = state
        self._clock = clock
        self._last_state = ""
        caller = HttpCaller(timeout_seconds=TIMEOUT_SECONDS, allowed=may_be_called)
        self._addresses = [
            _Address(
                http_target(address),
                secret=secret_bytes(secret) if secret else b"",
                host=host,
                caller=caller,
                clock=clock,
                retry_pauses=retry_pauses,
            )
            for address in addresses
        ]

    def on_event(self, event: Event) -> None:
        """Queue the messages of one event; subscribe this to the event bus."""
        if not self._addresses:
            return
        self._put(event)
        state = self._state()
        if state != self._last_state:
            self._put(StateChanged(wall=self._clock.wall(), state=state, previous=self._last_state))
            self._last_state = state

    async def run(self) -> None:
        """Send until cancelled."""
        if not self._addresses:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as workers:
            for address in self._addresses:
                workers.create_task(address.run())

    def _put(self, subject: Subject) -> None:
        for kind in kinds_of(subject):
            waiting = _Waiting(kind, subject, f"msg_{uuid4().hex}")
            for address in self._addresses:
                address.put(waiting)


class _Address:
    """One address: its messages go out in their order, each until it was taken or is too old."""

    def __init__(
        self,
        target: HttpTarget,
        *,
        secret: bytes,
        host: str,
        caller: HttpCaller,
        clock: Clock,
        retry_pauses: Sequence[float],
    ) -> None:
        self._target = target
        self._secret = secret
        self._host = host
        self._caller = caller
        self._clock = clock
        self._retry_pauses = tuple(retry_pauses)
        self._waiting: deque[_Waiting] = deque(maxlen=WAITING_AT_MOST)
        self._changed = asyncio.Event()
        self._number = 0
        self._lost = 0
        self._failing = False

    def put(self, waiting: _Waiting) -> None:
        """Queue it; where the queue is full the oldest one is lost, and counted in the next."""
        self._lost += len(self._waiting) == WAITING_AT_MOST
        self._waiting.append(waiting)
        self._changed.set()

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            self._changed.clear()
            if not self._waiting:
                await self._changed.wait()
            waiting = self._waiting.popleft()
            self._number, lost = self._number + 1, self._lost
            message = message_of(
                waiting.kind,
                waiting.subject,
                message_id=waiting.message_id,
                host=self._host,
                number=self._number,
                lost=lost,
            )
            if await self._delivered(message):
                self._lost -= lost
            else:
                self._lost += 1

    async def _delivered(self, message: WebhookMessage) -> bool:
        began = self._clock.monotonic()
        for pause in chain(self._retry_pauses, repeat(self._retry_pauses[-1])):
            problem = await self._caller.call(self._target, self._request(message))
            self._log_change(problem)
            if not problem:
                return True
            if self._clock.monotonic() - began + pause > GIVE_UP_SECONDS:
                return False
            await asyncio.sleep(pause)
        raise AssertionError("the pauses never end")

    def _request(self, message: WebhookMessage) -> bytes:
        now = int(self._clock.wall())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.message_id,
            "webhook-timestamp": str(now),
        }
        if self._secret:
            headers["webhook-signature"] = signature(self._secret, message, sent_at_seconds=now)
        return self._target.request("POST", headers, message.body)

    def _log_change(self, problem: str) -> None:
        if problem and not self._failing:
            log.warning("webhook failed; retried", host=self._target.host, reason=problem)
        elif self._failing and not problem:
            log.info("webhook works again", host=self._target.host, lost=self._lost)
        self._failing = bool(problem)


def may_be_called(host: str, address: str) -> bool:
    """Whether `address`, to which `host` resolved, may be called.

    A public name that leads into the own network is refused: its owner could otherwise reach what only this host can. An
    address, `localhost` or a name without dots is the operator's own choice; link-local ones, such as a cloud's metadata
    service, are never called.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if found.is_link_local or found.is_multicast or found.is_unspecified:
        return False
    return "." not in host or _is_address(host) or is_public(address)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def webhook_problems(addresses: str, secret: str) -> list[str]:
    """What is wrong with WEBHOOKS and WEBHOOK_SECRET, one line each, which never repeats them."""
    problems = []
    try:
        for address in addresses.split():
            http_target(address)
    except ValueError:
        problems.append("WEBHOOKS: must be http(s) URLs, separated by spaces")
    try:
        secret_bytes(secret)
    except ValueError as error:
        problems.append(f"WEBHOOK_SECRET: {error}")
    return problems
