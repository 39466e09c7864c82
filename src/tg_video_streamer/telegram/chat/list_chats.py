"""Lists the chats of an account in which it may start a live stream, with the ids that CHAT_ID takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from telethon.tl import types

from tg_video_streamer.telegram.answers.tl_type import TlType, always
from tg_video_streamer.telegram.chat.dialogs import listed_chats
from tg_video_streamer.telegram.client.account import Account

_CHANNEL_BASE = 1_000_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamableChat:
    """A chat, and what it is for people."""

    chat_id: int
    """As the Bot API marks it: -100… for channels and large groups, negative for small groups."""
    title: str
    kind: str
    name: str
    """`@name`, or empty."""


async def streamable_chats(account: Account) -> list[StreamableChat]:
    """Those where the account is the owner or may manage live streams; raises SessionError, TelegramRefused.

    Whether Telegram hands out an RTMP address too is asked when streaming: its sources disagree on who may.
    """
    found: dict[int, StreamableChat] = {}
    async for chat in listed_chats(account):
        if (known := _STREAMABLE.read(chat)) is not None:
            found[known.chat_id] = known
    return list(found.values())


def _group(chat: types.Chat) -> StreamableChat | None:
    if not _may_stream(chat) or chat.deactivated or chat.migrated_to is not None:
        return None
    return StreamableChat(chat_id=-int(chat.id), title=chat.title, kind="small_group", name="")


def _channel(chat: types.Channel) -> StreamableChat | None:
    if not _may_stream(chat):
        return None
    return StreamableChat(
        chat_id=-(_CHANNEL_BASE + int(chat.id)),
        title=chat.title,
        kind="channel" if chat.broadcast else "group",
        name=f"@{chat.username}" if chat.username else "",
    )


def _may_stream(chat: Any) -> bool:
    rights = chat.admin_rights
    return not chat.left and bool(chat.creator or (rights is not None and rights.manage_call))


_STREAMABLE: TlType[StreamableChat | None] = TlType(
    {
        types.Chat: _group,
        types.Channel: _channel,
        types.ChatForbidden: always(None),
        types.ChannelForbidden: always(None),
        types.ChatEmpty: always(None),
        types.Community: always(None),
        types.CommunityForbidden: always(None),
    }
)
"""The chat, where a live stream may be started in it."""
