"""The chat of CHAT_ID, one for all parts of a channel: looked up by one of them at a time, followed where it moves.

Telethon is imported by the first look-up, and not before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from tg_video_streamer.errors import TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.subscribers import Subscribers
from tg_video_streamer.telegram.chat.reference import Chat, ChatReference, ReferenceKind
from tg_video_streamer.telegram.client.state_file import TelegramState

if TYPE_CHECKING:
    from tg_video_streamer.telegram.client.account import Account

_MOVED = "chat_moved"
_KEPT = ("stream", "guide")
"""Records that are about the chat: URL and key of its live stream, the number of its pinned message."""
_CHANNEL_BASE = 1_000_000_000_000
_LOOKUP = "tg_video_streamer.telegram.chat.lookup"
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class OwnChat:
    """For the event loop's thread."""

    def __init__(
        self, reference: ChatReference, store: TelegramState, *, moved: Callable[[Message], None] = lambda _what: None
    ) -> None:
        """`moved` is called once, over all restarts, where the group of CHAT_ID became a supergroup."""
        self._reference = reference
        self._store = store
        self._moved = moved
        self._lock = asyncio.Lock()
        self._chat: Chat | None = None
        self._subscribers = Subscribers[[]]()

    def subscribe(self, forgotten: Callable[[], None]) -> Callable[[], None]:
        """Call `forgotten` where the chat must be looked up again; the returned function ends that."""
        return self._subscribers.add(forgotten)

    async def find(self, account: Account) -> Chat:
        """The chat, saved or looked up; raises TelegramRefused, SessionError."""
        async with self._lock:
            chat: Chat = await import_module(_LOOKUP).find_chat(account, self._reference, self._store)
            before, self._chat = self._chat, chat
        if (old := self._number_before(before, chat)) != 0:
            self._note_move(old, chat)
        return chat

    async def ask(self, account: Account, work: Callable[[Chat], Awaitable[Result]]) -> Result:
        """What `work(chat)` returns; where Telegram no longer knows the chat, it is looked up again, once.

        Raises TelegramRefused, SessionError, and what `work` raises.
        """
        chat = await self.find(account)
        try:
            return await work(chat)
        except TelegramRefused as refused:
            if not self.lost(chat, refused):
                raise
        return await work(await self.find(account))

    def lost(self, chat: Chat, refused: TelegramRefused) -> bool:
        """Whether a refusal means that Telegram no longer knows `chat` by its numbers, which are forgotten then."""
        lookup = import_module(_LOOKUP)
        if not lookup.is_stale(refused):
            return False
        log.warning("telegram no longer knows the chat by its saved number, it is looked up", word=refused.word)
        self._forget(chat)
        return True

    def on_update(self, update: Any) -> None:
        """Follow the move of the chat as soon as Telegram says it."""
        updates = import_module("tg_video_streamer.telegram.answers.updates")
        if self._chat is not None and self._chat.small and updates.migrated(update) == self._chat.id:
            self._forget(self._chat)

    def _forget(self, chat: Chat) -> None:
        # Another part may have looked it up meanwhile.
        if self._chat == chat:
            import_module(_LOOKUP).forget_chat(self._store)
        self._subscribers.call()

    def _number_before(self, before: Chat | None, chat: Chat) -> int:
        """The number of the small group that `chat` was; 0 where it was none."""
        if chat.small:
            return 0
        if self._reference.kind is ReferenceKind.GROUP:
            return self._reference.number
        return before.id if before is not None and before.small else 0

    def _note_move(self, old: int, chat: Chat) -> None:
        record = {"before": old, "now": chat.id}
        if self._store.get(_MOVED) == record:
            return
        self._store.put(_MOVED, record)
        for name in _KEPT:
            self._store.put(name, {})
        what = Message.of("chat.moved", before=str(-old), now=str(-_CHANNEL_BASE - chat.id))
        log.warning("the group became a supergroup, which is followed", why=str(what))
        self._moved(what)
