"""Reads the messages of the chat from Telegram's updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from telethon.tl import types

from tg_video_streamer.telegram.chat.reference import Chat


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    """A new text in the chat."""

    id: int
    sender_id: int
    """The user's number; 0 where it is signed by the chat itself: a channel's post, or an admin who stays unnamed."""
    text: str
    sent_wall: float


def read_message(update: Any, chat: Chat, own_id: int) -> ChatMessage | None:
    """The new message in `chat` that `update` holds; None for edits, other chats and forwarded messages."""
    if isinstance(update, types.UpdateShortChatMessage):
        if not chat.small or update.chat_id != chat.id or update.fwd_from is not None:
            return None
        sender = own_id if update.out else update.from_id
        return ChatMessage(id=update.id, sender_id=sender, text=update.message, sent_wall=update.date.timestamp())
    if not isinstance(update, types.UpdateNewMessage | types.UpdateNewChannelMessage):
        return None
    message = update.message
    if not isinstance(message, types.Message) or message.fwd_from is not None or message.via_bot_id is not None:
        return None
    sender = _sender(message, chat, own_id)
    if sender is None or not _is_in(message.peer_id, chat):
        return None
    return ChatMessage(id=message.id, sender_id=sender, text=message.message, sent_wall=message.date.timestamp())


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
