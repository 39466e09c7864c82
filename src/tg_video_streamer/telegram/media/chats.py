"""Finds the chats that playlist lines name, and the messages in them; Telegram's refusals become errors of a source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from telethon.tl import functions, types

from tg_video_streamer.errors import ResolveError, SourceGone, TelegramRefused
from tg_video_streamer.playlist.telegram_link import TelegramLink
from tg_video_streamer.telegram.answers.messages import MESSAGE, MESSAGES
from tg_video_streamer.telegram.answers.tl_type import TlType
from tg_video_streamer.telegram.chat.lookup import input_peer, is_stale, look_up
from tg_video_streamer.telegram.chat.reference import Chat, parse_chat_reference
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.state_file import TelegramState

Value = TypeVar("Value")

_RECORD = "source_chats"
_MOST_SAVED = 500
_UNKNOWN = frozenset({"USERNAME_NOT_OCCUPIED", "USERNAME_INVALID", "PEER_ID_INVALID"})
_NO_ACCESS = frozenset(
    {"CHANNEL_PRIVATE", "CHANNEL_INVALID", "CHAT_ID_INVALID", "CHAT_FORBIDDEN", "CHANNEL_PUBLIC_GROUP_NA"}
)


def source_error(refused: TelegramRefused, link: TelegramLink) -> ResolveError:
    """What a refusal means for the item of `link`: only a name that does not exist is gone."""
    if refused.word in _UNKNOWN:
        return SourceGone.of("telegram_source.no_chat", chat=link.chat)
    if refused.word in _NO_ACCESS:
        return ResolveError.of("telegram_source.no_access", chat=link.chat)
    return ResolveError.because_of(refused)


class SourceChats:
    """Chats that were found, saved for the account: names may be looked up only so often."""

    def __init__(self, store: TelegramState) -> None:
        self._store = store

    async def find(self, account: Account, name: str) -> Chat:
        """The chat of a TelegramLink; raises TelegramRefused, SessionError."""
        record = self._store.get(_RECORD)
        saved = _saved(record) if record.get("user_id") == account.user_id else {}
        if name in saved:
            try:
                return Chat.from_json(saved[name])
            except (KeyError, TypeError, ValueError):
                # The record is damaged: look the chat up.
                self.forget(name)
        chat = await look_up(account, parse_chat_reference(name if name.startswith("-") else f"@{name}"))
        kept = dict(list(saved.items())[1 - _MOST_SAVED :]) | {name: chat.as_json()}
        self._store.put(_RECORD, {"user_id": account.user_id, "chats": kept})
        return chat

    def forget(self, name: str) -> bool:
        """Look the chat up again next time; False where it was not saved."""
        record = self._store.get(_RECORD)
        saved = _saved(record)
        found = saved.pop(name, None) is not None
        self._store.put(_RECORD, record | {"chats": saved})
        return found

    async def ask(self, account: Account, name: str, request: Callable[[Chat], Any], meaning: TlType[Value]) -> Value:
        """What the answer to `request(chat)` means; a saved chat that Telegram knows no longer is looked up again once.

        Raises TelegramRefused, SessionError.
        """
        try:
            return meaning.read(await account.invoke(request(await self.find(account, name))))
        except TelegramRefused as refused:
            if not is_stale(refused) or not self.forget(name):
                raise
        return meaning.read(await account.invoke(request(await self.find(account, name))))

    async def messages(self, account: Account, name: str, numbers: Sequence[int]) -> list[Any]:
        """These messages of a chat, without those that do not exist; raises TelegramRefused, SessionError."""
        wanted = [types.InputMessageID(number) for number in numbers]

        def request(chat: Chat) -> Any:
            if chat.small:
                return functions.messages.GetMessagesRequest(wanted)
            channel = types.InputChannel(chat.id, chat.access_hash)
            return functions.channels.GetMessagesRequest(channel, wanted)

        found = await self.ask(account, name, request, MESSAGES)
        return [one for one in found if MESSAGE.read(one) is not None]

    async def page(self, account: Account, name: str, *, before: int, after: int, limit: int) -> list[Any]:
        """The newest messages before the number `before` (0: of all) and after `after`; raises as `messages`."""

        def request(chat: Chat) -> Any:
            return functions.messages.GetHistoryRequest(
                peer=input_peer(chat),
                offset_id=before,
                offset_date=None,
                add_offset=0,
                limit=limit,
                max_id=0,
                min_id=after,
                hash=0,
            )

        found = await self.ask(account, name, request, MESSAGES)
        return list(found)


def _saved(record: dict[str, Any]) -> dict[str, Any]:
    """The saved chats by name; none of a damaged record."""
    found = record.get("chats")
    return dict(found) if isinstance(found, dict) else {}
