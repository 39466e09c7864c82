"""Reads an account's own list of chats, and its archive, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from telethon.tl import functions, types

from tg_video_streamer.telegram.answers.messages import DIALOGS, Offset
from tg_video_streamer.telegram.client.account import Account

_DIALOGS_A_PAGE = 100
_PAGES_AT_MOST = 50
_FOLDERS = (0, 1)
"""The list of chats, and the archive."""


async def listed_chats(account: Account) -> AsyncIterator[Any]:
    """Every chat of the account, some more than once; raises SessionError, TelegramRefused."""
    for folder in _FOLDERS:
        offset = Offset(date=None, message_id=0, peer=types.InputPeerEmpty())
        for _ in range(_PAGES_AT_MOST):
            request = functions.messages.GetDialogsRequest(
                offset_date=offset.date,
                offset_id=offset.message_id,
                offset_peer=offset.peer,
                limit=_DIALOGS_A_PAGE,
                hash=0,
                folder_id=folder,
            )
            page = DIALOGS.read(await account.invoke(request))
            for chat in page.chats:
                yield chat
            following = page.following
            if following is None or (following.message_id, following.peer) == (offset.message_id, offset.peer):
                break
            offset = following
