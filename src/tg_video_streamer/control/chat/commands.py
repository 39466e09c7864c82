"""Obeys commands that are written in the chat: who may, how often, and the answer in its place."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.control.chat.wording import (
    PUBLIC_COMMANDS,
    ChatCommand,
    answer_text,
    link_of,
    read_command,
    request_of,
)
from tg_video_streamer.control.commands import Commands
from tg_video_streamer.control.execute import Caller, Origin, execute
from tg_video_streamer.control.status_text import StatusText
from tg_video_streamer.errors import (
    ControlError,
    ResolveError,
    SessionEnded,
    SessionUnreachable,
    TelegramRefused,
)
from tg_video_streamer.locales.translator import Translator

_MOST_NAMES = 10_000
"""Names that are remembered; the longest unseen is forgotten first, so that a crowd costs no memory."""

log = structlog.get_logger(__name__)

OLDEST_SECONDS = 60.0
"""A command that is older was meant for another moment: it came while the service was away."""
ADMINS_SECONDS = 60.0
"""For how long a list of admins counts: by so much a dismissal may come late."""
PER_SENDER, PER_SENDER_SECONDS = 6, 30.0
IN_ALL, IN_ALL_SECONDS = 20, 60.0
"""Telegram lets an account write about 20 messages a minute into one group."""
_MOST_WAITING = 50


class ChatMessage(Protocol):
    """As telegram.chat.messages has it."""

    @property
    def id(self) -> int:
        """Its number in the chat."""

    @property
    def sender_id(self) -> int:
        """The user's number; 0 for the chat itself."""

    @property
    def text(self) -> str:
        """What was written."""

    @property
    def sent_wall(self) -> float:
        """When."""


class ChatRoom(Protocol):
    """As telegram.chat.chat_client has it; every method may raise SessionError and TelegramRefused."""

    @property
    def own_id(self) -> int:
        """The account's number."""

    async def admins(self) -> frozenset[int]:
        """Who administers the chat now."""

    async def user_id(self, name: str) -> int:
        """The number of `@name`; 0 where there is no such user."""

    async def send(self, text: str, *, reply_to: int | None = None) -> int:
        """Write; the message's number."""


class ChatCommands:
    """All of it is for the event loop's thread; `on_message` returns at once, `run` does the work one command at a time."""

    def __init__(
        self,
        *,
        commands: Commands,
        clock: Clock,
        words: Translator,
        operators: Iterable[str] = (),
        public: bool = False,
        reachable: Callable[[str], Awaitable[None]],
    ) -> None:
        """`operators`: numbers and @names of those who may as admins do; `public`: everybody may ask what is on.

        `reachable` raises ResolveError where a link from the chat may not be followed.
        """
        self._commands = commands
        self._clock = clock
        self._text = StatusText(words)
        self._operators = tuple(operators)
        self._public = public
        self._reachable = reachable
        self._waiting: asyncio.Queue[tuple[ChatRoom, ChatMessage, ChatCommand]] = asyncio.Queue(_MOST_WAITING)
        self._senders = RateLimit(clock, times=PER_SENDER, seconds=PER_SENDER_SECONDS)
        self._all = RateLimit(clock, times=IN_ALL, seconds=IN_ALL_SECONDS)
        self._admins: frozenset[int] = frozenset()
        self._admins_at = float("-inf")
        self._silent_until = float("-inf")
        self._blind = False

    def on_message(self, room: ChatRoom, message: ChatMessage) -> None:
        """A message was written; what is no command of ours, too old or too much is left alone."""
        command = read_command(message.text)
        if command is None or self._clock.wall() - message.sent_wall > OLDEST_SECONDS:
            return
        if not self._senders.allows(str(message.sender_id)):
            log.info("command in the chat left alone: too many of this sender", by=message.sender_id)
            return
        try:
            self._waiting.put_nowait((room, message, command))
        except asyncio.QueueFull:
            log.warning("command in the chat left alone: too many are waiting")

    async def run(self) -> None:
        """Obey and answer, until cancelled."""
        while True:
            room, message, command = await self._waiting.get()
            try:
                await self._obey(room, message, command)
            except SessionUnreachable as trouble:
                self._silent_until = self._clock.monotonic() + trouble.seconds
                log.warning("chat cannot be answered now", why=str(trouble))
            except (SessionEnded, TelegramRefused) as trouble:
                log.warning("chat cannot be answered", why=str(trouble))

    async def _obey(self, room: ChatRoom, message: ChatMessage, command: ChatCommand) -> None:
        if not await self._may(room, message.sender_id, command):
            log.info("command in the chat left alone: not allowed", command=command.name, by=message.sender_id)
            return
        try:
            answer = await self._answer(message, command)
        except ControlError as error:
            answer = self._text.message(error.full_message)
        if self._clock.monotonic() < self._silent_until or not self._all.allows():
            log.info("command in the chat not answered: too many in a minute", command=command.name)
            return
        await room.send(answer, reply_to=message.id)

    async def _answer(self, message: ChatMessage, command: ChatCommand) -> str:
        request = request_of(command)
        if command.name == "add":
            try:
                await self._reachable(link_of(command))
            except ResolveError as error:
                raise ControlError(error.message, remedy=error.remedy_message or "") from error
        caller = Caller(origin=Origin.CHAT, name=str(message.sender_id or "the chat itself"))
        return answer_text(command, execute(self._commands, request, caller), self._text)

    async def _may(self, room: ChatRoom, sender: int, command: ChatCommand) -> bool:
        """Whether `sender` may; the list of admins is fetched at most once in ADMINS_SECONDS."""
        if self._public and command.name in PUBLIC_COMMANDS:
            return True
        if sender in {0, room.own_id}:
            return True
        if self._clock.monotonic() - self._admins_at >= ADMINS_SECONDS:
            self._admins = await self._asked(room)
            self._admins_at = self._clock.monotonic()
        return sender in self._admins

    async def _asked(self, room: ChatRoom) -> frozenset[int]:
        """Admins and operators as of now."""
        named = {int(one) for one in self._operators if not one.startswith("@")}
        for name in (one for one in self._operators if one.startswith("@")):
            named.add(await room.user_id(name))
        try:
            admins = await room.admins()
        except TelegramRefused as refused:
            if not self._blind:
                log.warning("the chat's admins are unknown; only OPERATORS may command", why=str(refused))
            self._blind = True
            admins = frozenset()
        else:
            self._blind = False
        return (admins | named) - {0}


class RateLimit:
    """A sliding window for each name."""

    def __init__(self, clock: Clock, *, times: int, seconds: float) -> None:
        self._clock = clock
        self._times = times
        self._seconds = seconds
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def allows(self, name: str = "") -> bool:
        """Whether `name` may once more; if so, it counts."""
        now = self._clock.monotonic()
        times = self._seen.setdefault(name, deque())
        self._seen.move_to_end(name)
        while len(self._seen) > _MOST_NAMES:
            self._seen.popitem(last=False)
        while times and now - times[0] >= self._seconds:
            times.popleft()
        if len(times) >= self._times:
            return False
        times.append(now)
        return True
