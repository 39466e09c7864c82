"""Executes commands from the chat: checks the sender and the rate, and replies."""

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
    file_line,
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
"""The limit of remembered names; the least recent is dropped first, so that a crowd costs no memory."""

log = structlog.get_logger(__name__)

OLDEST_SECONDS = 60.0
"""An older command came while the service was not running, and is out of date."""
ADMINS_SECONDS = 60.0
"""The lifetime of a fetched list of admins; a dismissal takes effect this late at most."""
PER_SENDER, PER_SENDER_SECONDS = 6, 30.0
IN_ALL, IN_ALL_SECONDS = 20, 60.0
"""Telegram lets an account write about 20 messages a minute into one group."""
_MOST_WAITING = 50


class ChatMessage(Protocol):
    """A message of the chat, implemented in telegram.chat.messages."""

    @property
    def id(self) -> int:
        """Its number in the chat."""

    @property
    def sender_id(self) -> int:
        """The user's number; 0 for the chat itself."""

    @property
    def text(self) -> str:
        """Its text."""

    @property
    def reply_to(self) -> int:
        """The number of the message in this chat that it replies to; 0 for none."""

    @property
    def sent_wall(self) -> float:
        """When it was sent, in seconds since 1970."""


class ChatRoom(Protocol):
    """The chat, implemented in telegram.chat.chat_client; every method may raise SessionError and TelegramRefused."""

    @property
    def own_id(self) -> int:
        """The account's number."""

    async def admins(self) -> frozenset[int]:
        """The numbers of the current admins."""

    async def user_id(self, name: str) -> int:
        """The number of `@name`; 0 if there is no such user."""

    async def file_of(self, message_id: int) -> tuple[str, str]:
        """The link to the file in a message, and its title; two empty texts where there is no such file."""

    async def send(self, text: str, *, reply_to: int | None = None) -> int:
        """Send a message; its number."""


class ChatCommands:
    """Use it in the event loop's thread only; `on_message` returns at once, `run` executes one command at a time."""

    def __init__(
        self,
        *,
        commands: Commands,
        clock: Clock,
        limits: ChatLimits,
        words: Translator,
        operators: Iterable[str] = (),
        public: bool = False,
        reachable: Callable[[str], Awaitable[None]],
    ) -> None:
        """`limits` outlive a restart of this. `operators`: numbers and @names of users with the rights of admins; `public`: every member may ask what is on air.

        `reachable` raises ResolveError where a link from the chat may not be followed.
        """
        self._commands = commands
        self._clock = clock
        self._text = StatusText(words)
        self._operators = tuple(operators)
        self._public = public
        self._reachable = reachable
        self._waiting: asyncio.Queue[tuple[ChatRoom, ChatMessage, ChatCommand]] = asyncio.Queue(_MOST_WAITING)
        self._limits = limits
        self._admins: frozenset[int] = frozenset()
        self._admins_at = float("-inf")
        self._admins_unknown = False

    def on_message(self, room: ChatRoom, message: ChatMessage) -> None:
        """Queue a command; other texts, old commands and too many commands are ignored."""
        command = read_command(message.text)
        if command is None or self._clock.wall() - message.sent_wall > OLDEST_SECONDS:
            return
        if not self._limits.senders.allows(str(message.sender_id)):
            log.info("command in the chat ignored: too many of this sender", by=message.sender_id)
            return
        try:
            self._waiting.put_nowait((room, message, command))
        except asyncio.QueueFull:
            log.warning("command in the chat ignored: too many are waiting")

    async def run(self) -> None:
        """Execute commands and answer, until cancelled."""
        while True:
            room, message, command = await self._waiting.get()
            try:
                await self._execute(room, message, command)
            except SessionUnreachable as trouble:
                self._limits.silent_until = self._clock.monotonic() + trouble.seconds
                log.warning("chat cannot be answered now", why=str(trouble))
            except (SessionEnded, TelegramRefused) as trouble:
                log.warning("chat cannot be answered", why=str(trouble))

    async def _execute(self, room: ChatRoom, message: ChatMessage, command: ChatCommand) -> None:
        if not await self._is_allowed(room, message.sender_id, command):
            log.info("command in the chat ignored: not allowed", command=command.name, by=message.sender_id)
            return
        try:
            answer = await self._answer(room, message, command)
        except ControlError as error:
            answer = self._text.message(error.full_message)
        if self._clock.monotonic() < self._limits.silent_until or not self._limits.all.allows():
            log.info("command in the chat not answered: too many in a minute", command=command.name)
            return
        await room.send(answer, reply_to=message.id)

    async def _answer(self, room: ChatRoom, message: ChatMessage, command: ChatCommand) -> str:
        line = ""
        if command.name == "add" and not command.words and message.reply_to:
            link, title = await room.file_of(message.reply_to)
            if not link:
                raise ControlError.of("refused.no_file")
            line = file_line(link, title)
        request = request_of(command, line=line)
        if command.name == "add" and not line:
            try:
                await self._reachable(link_of(command))
            except ResolveError as error:
                raise ControlError.because_of(error) from error
        caller = Caller(origin=Origin.CHAT, name=str(message.sender_id or "the chat itself"))
        return answer_text(command, await execute(self._commands, request, caller), self._text)

    async def _is_allowed(self, room: ChatRoom, sender: int, command: ChatCommand) -> bool:
        """Whether `sender` is allowed `command`; admins are fetched at most once in ADMINS_SECONDS."""
        if self._public and command.name in PUBLIC_COMMANDS:
            return True
        if sender in {0, room.own_id}:
            return True
        if self._clock.monotonic() - self._admins_at >= ADMINS_SECONDS:
            self._admins = await self._fetch_admins(room)
            self._admins_at = self._clock.monotonic()
        return sender in self._admins

    async def _fetch_admins(self, room: ChatRoom) -> frozenset[int]:
        """The current admins and operators."""
        named = {int(one) for one in self._operators if not one.startswith("@")}
        for name in (one for one in self._operators if one.startswith("@")):
            named.add(await room.user_id(name))
        try:
            admins = await room.admins()
        except TelegramRefused as refused:
            if not self._admins_unknown:
                log.warning("the chat's admins are unknown; only OPERATORS may command", why=str(refused))
            self._admins_unknown = True
            admins = frozenset()
        else:
            self._admins_unknown = False
        return (admins | named) - {0}


class ChatLimits:
    """How much may be said in the chat, by whom, and from when on: what a restart must not forget."""

    def __init__(self, clock: Clock) -> None:
        self.senders = RateLimit(clock, times=PER_SENDER, seconds=PER_SENDER_SECONDS)
        self.all = RateLimit(clock, times=IN_ALL, seconds=IN_ALL_SECONDS)
        self.silent_until = float("-inf")
        """Telegram asked for a pause until then, in monotonic seconds."""


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
