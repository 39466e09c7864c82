"""Signals a chat's video chat: finds or opens the call, joins, checks the participation, leaves."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import structlog
from telethon.tl import types
from telethon.tl.functions.phone import (
    CheckGroupCallRequest,
    CreateGroupCallRequest,
    JoinGroupCallRequest,
    LeaveGroupCallRequest,
)

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import CallInTheWay, FloodWait, SessionUnreachable, StreamerError, TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.state_machine import StateMachine, Transitions
from tg_video_streamer.telegram.answers.calls import RunningCall, call_in, transport_in
from tg_video_streamer.telegram.answers.updates import UPDATES, ended_call
from tg_video_streamer.telegram.call.find import GONE, call_in_chat, facts_of
from tg_video_streamer.telegram.call.ownership import in_the_way
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter
from tg_video_streamer.telegram.livestream.delivery import Delivery

JOINS_PER_MINUTE = 8
"""A guess on the safe side: what Telegram allows is not documented, and going over it costs minutes of FLOOD_WAIT."""
_STEADY_SECONDS = 60.0

log = structlog.get_logger(__name__)

CHECK_SECONDS = 4.0
"""How often Telegram expects phone.checkGroupCall."""
_REMOVED = frozenset({"GROUPCALL_JOIN_MISSING"})
PASSING = GONE | _REMOVED | {"GROUPCALL_ALREADY_STARTED", "GROUPCALL_SSRC_DUPLICATE_MUCH"}
"""Refusals that a new attempt overcomes."""


class GroupCall:
    """Our participation in one chat's video chat, over all attempts; coroutines run in the event loop.

    `lost` and `pause` may be read from any thread.
    """

    def __init__(
        self,
        *,
        account: Callable[[], Account],
        peer: types.InputPeerChannel | types.InputPeerChat,
        clock: Clock,
        as_channel: bool = False,
        title: str | None = None,
        refused: Callable[[TelegramRefused], object] = lambda _refusal: None,
    ) -> None:
        """`account` gives the connected one of the moment, or raises SessionError.

        `as_channel`: appear as the channel `peer`, which only its creator may. `title`: of a call that we open.
        `refused` is called with each refusal of a join.
        """
        self._account = account
        self._peer = peer
        self._join_as = peer if as_channel else types.InputPeerSelf()
        self._title = title
        self._refused = refused
        self._budget = JoinBudget(clock)
        self._machine = StateMachine(CALL_TRANSITIONS, CallState.OUT, self._changed)
        self._listening_to: Account | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._call: types.InputGroupCall | None = None
        self._source = 0
        self.lost: Message | None = None
        """Why we are no longer in the call; None while we are, or never were."""
        self.delivery = Delivery.UNKNOWN
        """Whether Telegram's media server has our stream, by the last check."""

    @property
    def state(self) -> CallState:
        """Where we stand."""
        return self._machine.state

    def pause(self) -> float:
        """Seconds until `join` is allowed; 0 for now."""
        return self._budget.pause()

    async def ready(self) -> None:
        """Whether there is an account to join with. Raises SessionError."""
        self._account()

    async def join(self, payload: str, source: int) -> str:
        """Join with the payload of a new worker, and its audio source; what Telegram answers to it, as JSON.

        Raises SessionEnded, SessionUnreachable (network, or FLOOD_WAIT, which `pause` then covers), TelegramRefused.
        """
        if (pause := self._budget.pause()) > 0:
            raise SessionUnreachable(Message.of("call.joined_too_often"), seconds=pause)
        self._machine.move(CallState.JOINING)
        self.lost, self.delivery = None, Delivery.UNKNOWN
        try:
            answer = await self._join(payload, source)
        except BaseException as error:
            if not isinstance(error, CallInTheWay):
                # Whatever was refused on the way in: the next attempt comes later.
                self._budget.lost()
            if isinstance(error, FloodWait):
                self._budget.flooded(error.seconds)
            self._machine.move(CallState.REFUSED, str(error))
            raise
        self._budget.joined()
        self._machine.move(CallState.JOINED)
        return answer

    async def check(self) -> None:
        """Ask Telegram whether we are still in it, and set `lost` where not. Raises SessionEnded.

        That Telegram cannot be asked says nothing about the call.
        """
        call, source = self._call, self._source
        if self.state is not CallState.JOINED or call is None:
            return
        try:
            present = await self._account().invoke(CheckGroupCallRequest(call=call, sources=[source]))
        except TelegramRefused as refused:
            if refused.word not in GONE | _REMOVED:
                raise
            if source == self._source:
                self._gone("call.ended" if refused.word in GONE else "call.removed")
        except SessionUnreachable as trouble:
            log.warning("video chat cannot be checked", why=trouble.what)
            self.delivery = Delivery.UNCONFIRMED
        else:
            self._checked(source, seen=source in present)

    def _checked(self, source: int, *, seen: bool) -> None:
        if source != self._source:
            return
        self.delivery = Delivery.CONFIRMED if seen else Delivery.MISSING
        if not seen:
            self._lose("call.lost_stream")

    async def viewers(self) -> int | None:
        """Participants without ourselves; None where we are not in the call. Raises SessionError, TelegramRefused."""
        call = self._call
        if self.state is not CallState.JOINED or call is None:
            return None
        facts = await facts_of(self._account(), call, participants=1)
        return max(0, facts.call.participants - 1) if facts is not None and facts.call is not None else None

    async def leave(self) -> None:
        """Leave the call; logs where Telegram could not be informed."""
        call, self._call = self._call, None
        if self.state is CallState.JOINED:
            self._budget.lost()
        self._machine.move(CallState.OUT)
        self.lost = None
        if call is None:
            return
        try:
            await self._account().invoke(LeaveGroupCallRequest(call=call, source=self._source), timeout_seconds=3.0)
        except TelegramRefused as refused:
            if refused.word not in GONE | _REMOVED:
                log.warning("video chat not left", why=refused.word)
        except StreamerError as error:
            log.warning("video chat not left", why=error.what)

    async def _join(self, payload: str, source: int) -> str:
        account = self._account()
        self._listen(account)
        try:
            call = await self._open_call(account)
            self._call, self._source = call.as_input, source
            updates = await self._ask_to_join(account, payload)
            answer = transport_in(updates)
        except TelegramRefused as refused:
            self._refused(refused)
            raise refused.with_remedy(f"call_refusal.{refused.word.lower()}") from None
        for update in updates:
            if isinstance(update, types.UpdateGroupCallParticipants):
                self._warn_if_muted(update)
        if not answer:
            raise SessionUnreachable.of("call.no_server")
        return answer

    async def _ask_to_join(self, account: Account, payload: str) -> tuple[Any, ...]:
        """The one request that Telegram counts, so only it counts against the budget."""
        request = JoinGroupCallRequest(
            call=self._call,
            join_as=self._join_as,
            params=types.DataJSON(payload),
            muted=False,
            video_stopped=False,
        )
        self._budget.attempt()
        return UPDATES.read(await account.invoke(request))

    async def _open_call(self, account: Account) -> RunningCall:
        """The chat's call, opened by us where there was none."""
        facts = await call_in_chat(account, self._peer)
        if facts is None:
            if (call := await self._opened(account)) is not None:
                return call
            facts = await call_in_chat(account, self._peer)
        if facts is None or facts.call is None:
            raise SessionUnreachable.of("call.unsteady")
        if facts.call.rtmp or facts.call.scheduled_wall is not None:
            raise CallInTheWay(in_the_way(facts))
        return facts.call

    async def _opened(self, account: Account) -> RunningCall | None:
        """A new call; None where another participant was quicker, or Telegram does not describe it."""
        request = CreateGroupCallRequest(peer=self._peer, title=self._title)
        try:
            return call_in(UPDATES.read(await account.invoke(request)))
        except TelegramRefused as refused:
            if refused.word != "GROUPCALL_ALREADY_STARTED":
                raise
            return None

    def _listen(self, account: Account) -> None:
        if self._listening_to is not account:
            self._listening_to = account
            self._unsubscribe()
            self._unsubscribe = account.subscribe(self._on_update)

    def _on_update(self, update: Any) -> None:
        """Handle Telegram's updates, which come before the next check."""
        if self.state is not CallState.JOINED or self._call is None:
            return
        if ended_call(update) == self._call.id:
            self._gone("call.ended")
        elif isinstance(update, types.UpdateGroupCallParticipants) and getattr(update.call, "id", 0) == self._call.id:
            if any(one.left and one.source == self._source for one in update.participants):
                self._gone("call.removed")
            self._warn_if_muted(update)

    def _warn_if_muted(self, update: types.UpdateGroupCallParticipants) -> None:
        for one in update.participants:
            if one.source == self._source and one.muted and not one.left and not one.can_self_unmute:
                log.warning("muted in the video chat: only an administrator can unmute it")

    def _gone(self, key: str) -> None:
        """Lost, with nothing left to leave."""
        if self.state is CallState.JOINED:
            self._call = None
            self._lose(key)

    def _lose(self, key: str) -> None:
        if self.state is not CallState.JOINED:
            return
        self._budget.lost()
        self.lost = Message.of(key)
        self._machine.move(CallState.LOST, str(self.lost))

    def _changed(self, old: CallState, new: CallState, why: str) -> None:
        log.info("video chat changed", old=str(old), new=str(new), why=why)


class JoinBudget:
    """The same counting as for connections, and a FLOOD_WAIT on top that nothing shortens."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiter = ConnectionLimiter(
            clock,
            attempts_per_minute=JOINS_PER_MINUTE,
            pauses=Backoff(first=0.25, longest=60.0),
            steady_seconds=_STEADY_SECONDS,
        )
        self._flood_until = 0.0

    def pause(self) -> float:
        """Seconds until the next join is allowed; 0 for now."""
        return max(self._limiter.pause(), self._flood_until - self._clock.monotonic(), 0.0)

    def attempt(self) -> None:
        """A join begins now."""
        self._limiter.attempt()

    def joined(self) -> None:
        """It worked."""
        self._limiter.connected()

    def lost(self) -> None:
        """It failed, or what it brought is over."""
        self._limiter.lost()

    def flooded(self, seconds: float) -> None:
        """Telegram asked to wait so long."""
        self._flood_until = max(self._flood_until, self._clock.monotonic() + seconds)


class CallState(StrEnum):
    """Where we stand in the chat's video chat.

    ```
    out ──► joining                       joining ──► joined, refused, out
    joined ──► lost, out                  lost ──► joining, out
    refused ──► joining, out
    ```
    `out`: not in the call, and not meant to be. `joined`: a participant. `lost`: no longer one (removed, the call ended,
    or its media server lost us). `refused`: Telegram refused the join.
    """

    OUT = "out"
    JOINING = "joining"
    JOINED = "joined"
    LOST = "lost"
    REFUSED = "refused"


CALL_TRANSITIONS: Transitions[CallState] = {
    CallState.OUT: frozenset({CallState.JOINING}),
    CallState.JOINING: frozenset({CallState.JOINED, CallState.REFUSED, CallState.OUT}),
    CallState.JOINED: frozenset({CallState.LOST, CallState.OUT}),
    CallState.LOST: frozenset({CallState.JOINING, CallState.OUT}),
    CallState.REFUSED: frozenset({CallState.JOINING, CallState.OUT}),
}
