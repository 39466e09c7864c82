"""Lists the chats of an account in which it may start a live stream, with the ids that CHAT_ID takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from telethon.tl import functions, types

from tg_video_streamer.telegram.account import Account

_PAGE, _PAGES_AT_MOST = 100, 50
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
    for folder in (0, 1):  # the list of chats, and the archive
        async for chat in _dialogs(account, folder):
            if (known := _streamable(chat)) is not None:
                found[known.chat_id] = known
    return list(found.values())


def _streamable(chat: Any) -> StreamableChat | None:
    """The chat, where a live stream may be started in it."""
    if not isinstance(chat, types.Channel | types.Chat) or chat.left:
        return None
    rights = chat.admin_rights
    if not chat.creator and not (rights is not None and rights.manage_call):
        return None
    if isinstance(chat, types.Chat):
        if chat.deactivated or chat.migrated_to is not None:
            return None
        return StreamableChat(chat_id=-int(chat.id), title=chat.title, kind="small group", name="")
    return StreamableChat(
        chat_id=-(_CHANNEL_BASE + int(chat.id)),
        title=chat.title,
        kind="channel" if chat.broadcast else "group",
        name=f"@{chat.username}" if chat.username else "",
    )


async def _dialogs(account: Account, folder: int) -> AsyncIterator[Any]:
    """Every chat of a folder, page by page."""
    date: Any = None
    message_id, peer = 0, types.InputPeerEmpty()
    for _ in range(_PAGES_AT_MOST):
        request = functions.messages.GetDialogsRequest(
            offset_date=date, offset_id=message_id, offset_peer=peer, limit=_PAGE, hash=0, folder_id=folder
        )
        page = await account.invoke(request)
        for chat in page.chats:
            yield chat
        if not isinstance(page, types.messages.DialogsSlice) or not page.dialogs:
            return
        last = page.dialogs[-1]
        dates = {(str(one.peer_id), one.id): one.date for one in page.messages}
        following = (dates.get((str(last.peer), last.top_message)), last.top_message, _input(last.peer, page))
        if following[0] is None or following[1:] == (message_id, peer):
            return
        date, message_id, peer = following


def _input(peer: Any, page: Any) -> Any:
    """A peer as requests name it."""
    hashes = {one.id: getattr(one, "access_hash", None) or 0 for one in (*page.chats, *page.users)}
    if isinstance(peer, types.PeerChannel):
        return types.InputPeerChannel(peer.channel_id, hashes.get(peer.channel_id, 0))
    if isinstance(peer, types.PeerUser):
        return types.InputPeerUser(peer.user_id, hashes.get(peer.user_id, 0))
    return types.InputPeerChat(peer.chat_id)
