"""What the chat can do with the service: commands, and the pinned guide; made where the settings ask for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import structlog

from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.app.telegram import TelegramService
from tg_video_streamer.control.chat.commands import ChatCommands, ChatLimits
from tg_video_streamer.control.chat.guide import ChatGuide
from tg_video_streamer.control.commands import Commands
from tg_video_streamer.errors import PlaylistError, ResolveError, StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.telegram_link import leads_to_telegram, parse_telegram_link
from tg_video_streamer.resolve.public_addresses import refuse_private
from tg_video_streamer.settings.settings import Settings
from tg_video_streamer.telegram.session.keeper import SessionChange

if TYPE_CHECKING:
    from tg_video_streamer.telegram.chat.chat_client import ChatClient
    from tg_video_streamer.telegram.client.account import Account

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 30.0
_SMALL_SECONDS = 300.0
"""How often a small group is asked whether it became a supergroup; the update that says so may be lost."""
_GUIDE = "guide"


@dataclass(kw_only=True)
class ChatService:
    """Connects commands and guide to the chat, with the account that is logged in."""

    telegram: TelegramService
    commands: ChatCommands | None
    guide: ChatGuide | None
    _unfollow: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Run until cancelled."""
        changed = asyncio.Event()

        async def on_session(_change: SessionChange) -> None:
            changed.set()

        unsubscribe = self.telegram.keeper.subscribe(on_session)
        forgotten = self.telegram.chat.subscribe(changed.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                if self.commands is not None:
                    tasks.create_task(self.commands.run(), name="chat commands")
                if self.guide is not None:
                    tasks.create_task(self.guide.run(), name="program guide")
                await self._follow(changed)
        finally:
            self._unfollow()
            forgotten()
            unsubscribe()

    async def _follow(self, changed: asyncio.Event) -> None:
        while True:
            changed.clear()
            account = self.telegram.keeper.account
            room = await self._entered(account) if account is not None else None
            if self.guide is not None:
                self.guide.room = room
            again = _AGAIN_SECONDS if account is not None and room is None else None
            while not await _set_within(changed, _SMALL_SECONDS if room is not None and room.chat.small else again):
                if room is None:
                    break
                await _check(room)

    async def _entered(self, account: Account) -> ChatClient | None:
        """The room; None where it cannot be entered now, which is logged. Only this one is followed from now on."""
        self._unfollow()
        rooms = await asyncio.to_thread(import_module, "tg_video_streamer.telegram.chat.chat_client")
        try:
            room: ChatClient = await rooms.enter(account, self.telegram.chat)
        except StreamerError as trouble:
            log.warning("the chat cannot be entered", why=str(trouble))
            return None
        if self.commands is not None:
            commands = self.commands
            self._unfollow = room.follow(lambda message: commands.on_message(room, message))
        return room


async def _set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for `event`, for `seconds` at most; whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def _check(room: ChatClient) -> None:
    """Ask whether the chat is still there; where it moved, the room says so to those who follow it."""
    try:
        await room.check()
    except StreamerError as trouble:
        log.info("the chat cannot be asked", why=str(trouble))


def make_chat(
    context: BuildContext, telegram: TelegramService | None, commands: Commands
) -> Callable[[], ChatService] | None:
    """What makes the parts; None where the settings ask for none, or there is no Telegram output."""
    settings = context.settings
    if telegram is None or not (settings.chat_commands or settings.chat_guide):
        return None
    limits = ChatLimits(context.clock)
    return lambda: _chat(context, telegram, commands, limits)


def _chat(context: BuildContext, telegram: TelegramService, commands: Commands, limits: ChatLimits) -> ChatService:
    settings = context.settings
    chat_commands = ChatCommands(
        commands=commands,
        clock=context.clock,
        limits=limits,
        words=context.translator,
        operators=settings.operators,
        public=settings.chat_public,
        reachable=refuse_private_link,
    )
    guide = ChatGuide(
        status=commands.status,
        clock=context.clock,
        words=context.translator,
        load=lambda: telegram.store.get(_GUIDE),
        save=lambda record: telegram.store.put(_GUIDE, record),
    )
    return ChatService(
        telegram=telegram,
        commands=chat_commands if settings.chat_commands else None,
        guide=guide if settings.chat_guide else None,
    )


async def refuse_private_link(link: str) -> None:
    """Raise ResolveError where a link from the chat leads into the host's network, or into a private chat of the account."""
    if not leads_to_telegram(link):
        await refuse_private([link])
        return
    try:
        chat = parse_telegram_link(link).chat
    except PlaylistError as error:
        raise ResolveError.because_of(error) from error
    if chat.startswith("-"):
        raise ResolveError.of("telegram_source.private_chat")


def chat_problems(settings: Settings, *, has_telegram: bool) -> list[Message]:
    """A warning for each setting of the chat that can do nothing here."""
    wanted = {"CHAT_COMMANDS": settings.chat_commands, "CHAT_GUIDE": settings.chat_guide}
    return [
        Message.of("warning.chat_without_output", setting=key) for key, on in wanted.items() if on and not has_telegram
    ]
