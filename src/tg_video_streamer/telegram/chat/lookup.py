"""Finds the chat of CHAT_ID at Telegram, and saves it for the account."""

from __future__ import annotations

from typing import Any

from telethon.tl import functions, types

from tg_video_streamer.errors import TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.answers.chats import CHAT, CHATS, INVITE, MIGRATED, RESOLVED, joined_chats
from tg_video_streamer.telegram.chat.dialogs import listed_chats
from tg_video_streamer.telegram.chat.reference import Chat, ChatReference, ReferenceKind
from tg_video_streamer.telegram.client.account import Account
from tg_video_streamer.telegram.client.state_file import TelegramState

_RECORD = "chat"
_STALE = frozenset({"CHANNEL_INVALID", "CHAT_ID_INVALID", "PEER_ID_INVALID", MIGRATED})


def is_stale(refused: TelegramRefused) -> bool:
    """Whether Telegram no longer knows the saved chat, so that it must be looked up again."""
    return refused.word in _STALE


def input_peer(chat: Chat) -> Any:
    """The chat as requests name it."""
    if chat.small:
        return types.InputPeerChat(chat.id)
    return types.InputPeerChannel(chat.id, chat.access_hash)


async def find_chat(account: Account, reference: ChatReference, store: TelegramState) -> Chat:
    """The chat, saved or looked up; raises TelegramRefused, SessionError."""
    saved = store.get(_RECORD)
    if (saved.get("kind"), saved.get("text"), saved.get("user_id")) == (
        reference.kind,
        reference.text,
        account.user_id,
    ):
        try:
            return Chat.from_json(saved)
        except (KeyError, TypeError, ValueError):
            # The record is damaged: look the chat up.
            forget_chat(store)
    chat = await look_up(account, reference)
    record = {"kind": str(reference.kind), "text": reference.text, "user_id": account.user_id}
    store.put(_RECORD, record | chat.as_json())
    return chat


def forget_chat(store: TelegramState) -> None:
    """Look it up again next time."""
    store.put(_RECORD, {})


async def look_up(account: Account, reference: ChatReference) -> Chat:
    """The chat, asked of Telegram; raises TelegramRefused, SessionError."""
    if reference.kind is ReferenceKind.NAME:
        request = functions.contacts.ResolveUsernameRequest(reference.text)
        found = RESOLVED.read(await account.invoke(request))
        if found.chat is None:
            raise _refused("chat.no_chat", "PEER_ID_INVALID")
        return CHAT.read(found.chat)
    if reference.kind is ReferenceKind.INVITE:
        return await _invited(account, reference.text)
    if reference.kind is ReferenceKind.GROUP:
        groups = CHATS.read(await account.invoke(functions.messages.GetChatsRequest([reference.number])))
        if not groups:
            raise _refused("chat.no_group", "CHAT_ID_INVALID")
        return CHAT.read(groups[0])
    return await _listed(account, reference.number)


async def _invited(account: Account, digest: str) -> Chat:
    """The chat of an invitation, which is accepted where the account is no member yet."""
    check = functions.messages.CheckChatInviteRequest(digest)
    if (chat := INVITE.read(await account.invoke(check))) is not None:
        return CHAT.read(chat)
    try:
        joined = joined_chats(await account.invoke(functions.messages.ImportChatInviteRequest(digest)))
    except TelegramRefused as refused:
        if refused.word == "INVITE_REQUEST_SENT":
            raise TelegramRefused(Message.of("chat.asked_to_join"), word=refused.word) from refused
        if refused.word != "USER_ALREADY_PARTICIPANT":
            raise
        # The answer to an earlier attempt was lost, or another part of this account was quicker.
        joined = ()
    if joined:
        return CHAT.read(joined[0])
    if (chat := INVITE.read(await account.invoke(check))) is not None:
        return CHAT.read(chat)
    raise _refused("chat.unknown", "CHAT_ID_INVALID")


async def _listed(account: Account, channel_id: int) -> Chat:
    """A channel by its id, for which the account's own list of chats must be read: ids alone are no access."""
    async for chat in listed_chats(account):
        if chat.id == channel_id and isinstance(chat, types.Channel | types.ChannelForbidden):
            return CHAT.read(chat)
    raise _refused("chat.no_channel", "CHANNEL_INVALID")


def _refused(key: str, word: str) -> TelegramRefused:
    return TelegramRefused(Message.of(key), word=word, remedy=Message.of("chat.add_or_correct"))
