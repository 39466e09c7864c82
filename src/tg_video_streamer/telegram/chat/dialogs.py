"""Reads an account's own list of chats, and its archive, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from telethon.tl import functions, types

from tg_video_streamer.telegram.client.account import Account

_DIALOGS_A_PAGE = 100
_PAGES_AT_MOST = 50
_FOLDERS = (0, 1)
"""The list of chats, and the archive."""


async def listed_chats(account: Account) -> AsyncIterator[Any]:
    """Every chat of the account, some more than once; raises SessionError, TelegramRefused."""
    for folder in _FOLDERS:
        offset: tuple[Any, int, Any] = (None, 0, types.InputPeerEmpty())
        for _ in range(_PAGES_AT_MOST):
            date, message_id, peer = offset
            request = functions.messages.GetDialogsRequest(
                offset_date=date,
                offset_id=message_id,
                offset_peer=peer,
                limit=_DIALOGS_A_PAGE,
                hash=0,
                folder_id=folder,
            )
            page = await account.invoke(request)
            for chat in page.chats:
                yield chat
            following = _next_page(page)
            if following is None or following[1:] == offset[1:]:
                break
            offset = following


def _next_page(page: Any) -> tuple[Any, int, Any] | None:
    """The offset of the next page, behind the last dialog of this one; None where there is none, or it is unknown."""
    if not isinstance(page, types.messages.DialogsSlice) or not page.dialogs:
        return None
    last = page.dialogs[-1]
    dates = {(str(message.peer_id), message.id): message.date for message in page.messages}
    date = dates.get((str(last.peer), last.top_message))
    return (date, last.top_message, _input(last.peer, page)) if date is not None else None


def _input(peer: Any, page: Any) -> Any:
    """A peer as requests name it."""
    hashes = {one.id: getattr(one, "access_hash", None) or 0 for one in (*page.chats, *page.users)}
    if isinstance(peer, types.PeerChannel):
        return types.InputPeerChannel(peer.channel_id, hashes.get(peer.channel_id, 0))
    if isinstance(peer, types.PeerUser):
        return types.InputPeerUser(peer.user_id, hashes.get(peer.user_id, 0))
    return types.InputPeerChat(peer.chat_id)
