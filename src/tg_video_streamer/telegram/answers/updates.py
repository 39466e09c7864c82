"""Reads Telegram's updates, which are also its answer to most requests that change something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from telethon.tl import types

from tg_video_streamer.telegram.answers.tl_type import TlType, always


def _itself(update: Any) -> tuple[Any, ...]:
    return (update,)


def _all(updates: Any) -> tuple[Any, ...]:
    return tuple(updates.updates)


UPDATES: TlType[tuple[Any, ...]] = TlType(
    {
        types.Updates: _all,
        types.UpdatesCombined: _all,
        types.UpdateShort: lambda short: (short.update,),
        types.UpdateShortMessage: _itself,
        types.UpdateShortChatMessage: _itself,
        types.UpdateShortSentMessage: _itself,
        types.UpdatesTooLong: always(()),
    }
)
"""The updates in it, the short forms as they are; none where Telegram wants to be asked for them."""

CHATS_OF_UPDATES: TlType[tuple[Any, ...]] = TlType(
    {
        types.Updates: lambda updates: tuple(updates.chats),
        types.UpdatesCombined: lambda updates: tuple(updates.chats),
        types.UpdateShort: always(()),
        types.UpdateShortMessage: always(()),
        types.UpdateShortChatMessage: always(()),
        types.UpdateShortSentMessage: always(()),
        types.UpdatesTooLong: always(()),
    }
)
"""The chats that it describes."""


def sent_message(updates: Sequence[Any], random_id: int) -> int:
    """The number of the message that was sent with `random_id`; 0 where the answer does not say it."""
    for update in updates:
        if isinstance(update, types.UpdateShortSentMessage):
            return int(update.id)
        if isinstance(update, types.UpdateMessageID) and update.random_id == random_id:
            return int(update.id)
    for update in updates:
        if isinstance(update, types.UpdateNewMessage | types.UpdateNewChannelMessage):
            return int(update.message.id)
    return 0


def ended_call(update: Any) -> int:
    """The id of the call that an update ends; 0 for any other update."""
    if isinstance(update, types.UpdateGroupCall) and isinstance(update.call, types.GroupCallDiscarded):
        return int(update.call.id)
    return 0


def migrated(update: Any) -> int:
    """The id of the small group that an update turns into a supergroup; 0 for any other update."""
    if not isinstance(update, types.UpdateNewMessage | types.UpdateNewChannelMessage):
        return 0
    message = update.message
    if not isinstance(message, types.MessageService):
        return 0
    if isinstance(message.action, types.MessageActionChatMigrateTo) and isinstance(message.peer_id, types.PeerChat):
        return int(message.peer_id.chat_id)
    if isinstance(message.action, types.MessageActionChannelMigrateFrom):
        return int(message.action.chat_id)
    return 0
