"""Finds the call of a chat, and who started it."""

from __future__ import annotations

from typing import Any

import structlog
from telethon.tl import functions, types

from tg_video_streamer.errors import TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.answers.calls import CALL_FACTS, CALL_LOG, CallFacts
from tg_video_streamer.telegram.answers.chats import CHAT, FULL, MIGRATED, USER_NAME, FullChat
from tg_video_streamer.telegram.client.account import Account

GONE = frozenset({"GROUPCALL_INVALID", "GROUPCALL_FORBIDDEN", "GROUP_CALL_INVALID"})
"""Telegram's errors for a call that is over."""
_PARTICIPANTS = 50
_LOG_ENTRIES = 20

log = structlog.get_logger(__name__)


async def full_chat(account: Account, peer: types.InputPeerChannel | types.InputPeerChat) -> FullChat:
    """The chat in full; raises SessionError, and TelegramRefused, also for a small group that became a supergroup."""
    if isinstance(peer, types.InputPeerChannel):
        channel = types.InputChannel(peer.channel_id, peer.access_hash)
        return FULL.read(await account.invoke(functions.channels.GetFullChannelRequest(channel)))
    full = FULL.read(await account.invoke(functions.messages.GetFullChatRequest(peer.chat_id)))
    for chat in full.chats:
        if chat.id == peer.chat_id and not CHAT.read(chat).small:
            raise TelegramRefused(Message.of("chat.migrated"), word=MIGRATED)
    return full


async def facts_of(account: Account, call: Any, *, participants: int = _PARTICIPANTS) -> CallFacts | None:
    """A call as it is now; None where it is over. Raises SessionError, TelegramRefused."""
    request = functions.phone.GetGroupCallRequest(call, limit=participants)
    try:
        facts = CALL_FACTS.read(await account.invoke(request))
    except TelegramRefused as refused:
        if refused.word in GONE:
            return None
        raise
    return facts if facts.call is not None else None


async def call_in_chat(account: Account, peer: Any) -> CallFacts | None:
    """The call that runs or is announced in the chat; None for none. Raises SessionError, TelegramRefused."""
    call = (await full_chat(account, peer)).call
    return await facts_of(account, call) if call is not None else None


async def starter_of(account: Account, peer: Any, call_id: int) -> str:
    """Who started a call, from the chat's log of recent actions; empty where that does not say it. Raises SessionError."""
    if not isinstance(peer, types.InputPeerChannel):
        return ""
    request = functions.channels.GetAdminLogRequest(
        types.InputChannel(peer.channel_id, peer.access_hash),
        q="",
        max_id=0,
        min_id=0,
        limit=_LOG_ENTRIES,
        events_filter=types.ChannelAdminLogEventsFilter(group_call=True),
    )
    try:
        found = CALL_LOG.read(await account.invoke(request))
    except TelegramRefused as refused:
        # For administrators only, and not in small groups.
        log.debug("who started the call is not known", word=refused.word)
        return ""
    starter = found.starters.get(call_id, 0)
    return next((USER_NAME.read(user) for user in found.users if user.id == starter), "")
