"""The account in its chat: reads and sends messages, pins one, lists the administrators."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from telethon.tl import functions, types

from tg_video_streamer.errors import TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.telegram_link import CHANNEL_BASE, TelegramLink
from tg_video_streamer.telegram.answers.chats import (
    CHANNEL_ADMIN,
    CHANNEL_PARTICIPANTS,
    PARTICIPANTS,
    RESOLVED,
    SMALL_ADMIN,
)
from tg_video_streamer.telegram.answers.messages import MESSAGE, MESSAGES
from tg_video_streamer.telegram.answers.updates import UPDATES, sent_message
from tg_video_streamer.telegram.call.find import full_chat
from tg_video_streamer.telegram.chat.lookup import input_peer
from tg_video_streamer.telegram.chat.own_chat import OwnChat
from tg_video_streamer.telegram.chat.reference import Chat
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.media.message import media_of

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_MOST_ADMINS = 200
_NEWEST_MESSAGES = 50
_GONE = frozenset({"MESSAGE_ID_INVALID", "MESSAGE_EMPTY", "MESSAGE_EDIT_TIME_EXPIRED", "MESSAGE_AUTHOR_REQUIRED"})


def _in_known_chat(
    method: Callable[Concatenate[ChatClient, Arguments], Awaitable[Result]],
) -> Callable[Concatenate[ChatClient, Arguments], Coroutine[Any, Any, Result]]:
    """The same method, which reports where Telegram no longer knows the chat by its numbers."""

    @wraps(method)
    async def reporting(self: ChatClient, /, *args: Arguments.args, **options: Arguments.kwargs) -> Result:
        try:
            return await method(self, *args, **options)
        except TelegramRefused as refused:
            self.refused(self.chat, refused)
            raise

    return reporting


class ChatClient:
    """One chat and one account; every method may raise SessionError and TelegramRefused."""

    def __init__(self, account: Account, chat: Chat, *, refused: Callable[[Chat, TelegramRefused], object]) -> None:
        """`refused` is called with each refusal: Telegram may know the chat by another number."""
        self._account = account
        self._peer = input_peer(chat)
        self.chat = chat
        self.refused = refused

    @property
    def own_id(self) -> int:
        """The account's number."""
        return self._account.user_id

    @property
    def chat_id(self) -> int:
        """The chat's number."""
        return self.chat.id

    def follow(self, on_message: Callable[[ChatMessage], None]) -> Callable[[], None]:
        """Call `on_message` with each later message of the chat; the returned function ends that."""

        def on_update(update: Any) -> None:
            message = read_message(update, self.chat, self.own_id)
            if message is not None:
                on_message(message)

        return self._account.subscribe(on_update)

    @_in_known_chat
    async def check(self) -> None:
        """Ask whether the chat is still the same."""
        await full_chat(self._account, self._peer)

    @_in_known_chat
    async def admins(self) -> frozenset[int]:
        """The numbers of all who administer the chat now."""
        if self.chat.small:
            full = await full_chat(self._account, self._peer)
            return frozenset(SMALL_ADMIN.read(one) for one in PARTICIPANTS.read(full.participants)) - {0}
        channel = types.InputChannel(self._peer.channel_id, self._peer.access_hash)
        wanted = types.ChannelParticipantsAdmins()
        request = functions.channels.GetParticipantsRequest(channel, wanted, offset=0, limit=_MOST_ADMINS, hash=0)
        found = CHANNEL_PARTICIPANTS.read(await self._account.invoke(request))
        return frozenset(CHANNEL_ADMIN.read(one) for one in found) - {0}

    async def user_id(self, name: str) -> int:
        """The number of the user `@name`; 0 where the name is no user's."""
        try:
            request = functions.contacts.ResolveUsernameRequest(name.removeprefix("@"))
            return RESOLVED.read(await self._account.invoke(request)).user_id
        except TelegramRefused as refused:
            if refused.word in {"USERNAME_NOT_OCCUPIED", "USERNAME_INVALID"}:
                return 0
            raise

    @_in_known_chat
    async def send(self, text: str, *, reply_to: int | None = None, random_id: int = 0) -> int:
        """Send `text`, plain and without link preview; returns the message's number.

        `random_id` is that of an earlier attempt: where Telegram had taken that one, nothing is sent a second time.
        """
        to = types.InputReplyToMessage(reply_to) if reply_to is not None else None
        random_id = random_id or secrets.randbits(62) + 1
        request = functions.messages.SendMessageRequest(
            self._peer, text, no_webpage=True, reply_to=to, random_id=random_id
        )
        try:
            updates = UPDATES.read(await self._account.invoke(request))
        except TelegramRefused as refused:
            if refused.word != "RANDOM_ID_DUPLICATE":
                raise
            # The answer to an earlier attempt was lost.
            updates = ()
        return sent_message(updates, random_id) or await self._own_message(text)

    async def _own_message(self, text: str) -> int:
        """The number of the newest message with this text; raises TelegramRefused where there is none."""
        request = functions.messages.GetHistoryRequest(
            peer=self._peer,
            offset_id=0,
            offset_date=None,
            add_offset=0,
            limit=_NEWEST_MESSAGES,
            max_id=0,
            min_id=0,
            hash=0,
        )
        for message in MESSAGES.read(await self._account.invoke(request)):
            if MESSAGE.read(message) is not None and message.message == text.strip():
                return int(message.id)
        raise TelegramRefused(Message.of("chat.no_message_id"), word="MESSAGE_ID_UNKNOWN")

    @_in_known_chat
    async def file_of(self, message_id: int) -> tuple[str, str]:
        """The link to the file in a message, as a playlist line takes it, and its title; empty where it has none."""
        wanted = [types.InputMessageID(message_id)]
        request = (
            functions.messages.GetMessagesRequest(wanted)
            if self.chat.small
            else functions.channels.GetMessagesRequest(
                types.InputChannel(self._peer.channel_id, self._peer.access_hash), wanted
            )
        )
        found = MESSAGES.read(await self._account.invoke(request))
        media = (
            media_of(found[0])
            if found and MESSAGE.read(found[0]) is not None and _is_in(found[0].peer_id, self.chat)
            else None
        )
        if media is None:
            return "", ""
        chat = str(-self.chat.id if self.chat.small else -CHANNEL_BASE - self.chat.id)
        return TelegramLink(chat=chat, message=message_id, single=bool(media.album)).locator, media.title

    @_in_known_chat
    async def edit(self, message_id: int, text: str) -> bool:
        """Replace the text of an own message; False where it no longer exists."""
        request = functions.messages.EditMessageRequest(self._peer, message_id, message=text, no_webpage=True)
        try:
            await self._account.invoke(request)
        except TelegramRefused as refused:
            if refused.word in _GONE:
                return False
            if refused.word != "MESSAGE_NOT_MODIFIED":
                raise
        return True

    @_in_known_chat
    async def pin(self, message_id: int) -> None:
        """Pin a message without notifying the members."""
        await self._account.invoke(functions.messages.UpdatePinnedMessageRequest(self._peer, message_id, silent=True))


async def enter(account: Account, own: OwnChat) -> ChatClient:
    """The chat of CHAT_ID; raises SessionError and TelegramRefused."""
    return ChatClient(account, await own.find(account), refused=own.lost)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    """A new text in the chat."""

    id: int
    sender_id: int
    """The user's number; 0 where it is signed by the chat itself: a channel's post, or an admin who stays unnamed."""
    text: str
    sent_wall: float
    reply_to: int = 0
    """The number of the message in this chat that it replies to; 0 for none."""


def read_message(update: Any, chat: Chat, own_id: int) -> ChatMessage | None:
    """The new message in `chat` that `update` holds; None for edits, other chats and forwarded messages."""
    if isinstance(update, types.UpdateShortChatMessage):
        if not chat.small or update.chat_id != chat.id or update.fwd_from is not None:
            return None
        sender = own_id if update.out else update.from_id
        return ChatMessage(
            id=update.id,
            sender_id=sender,
            text=update.message,
            sent_wall=update.date.timestamp(),
            reply_to=_replied_to(update.reply_to),
        )
    if not isinstance(update, types.UpdateNewMessage | types.UpdateNewChannelMessage):
        return None
    message = update.message
    if not isinstance(message, types.Message) or message.fwd_from is not None or message.via_bot_id is not None:
        return None
    sender = _sender(message, chat, own_id)
    if sender is None or not _is_in(message.peer_id, chat):
        return None
    return ChatMessage(
        id=message.id,
        sender_id=sender,
        text=message.message,
        sent_wall=message.date.timestamp(),
        reply_to=_replied_to(message.reply_to),
    )


def _replied_to(header: Any) -> int:
    """0 for a reply to a message of another chat, or to a story."""
    if not isinstance(header, types.MessageReplyHeader) or header.reply_to_peer_id is not None:
        return 0
    return int(header.reply_to_msg_id or 0)


def _is_in(peer: Any, chat: Chat) -> bool:
    if chat.small:
        return isinstance(peer, types.PeerChat) and peer.chat_id == chat.id
    return isinstance(peer, types.PeerChannel) and peer.channel_id == chat.id


def _sender(message: Any, chat: Chat, own_id: int) -> int | None:
    """None where the message is signed by another channel: its author is unknown."""
    if message.from_id is None:
        return own_id if chat.small and message.out else 0
    if isinstance(message.from_id, types.PeerUser):
        return int(message.from_id.user_id)
    return 0 if _is_in(message.from_id, chat) else None
