"""Reads chats, invitations to them, and who is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from telethon.tl import types

from tg_video_streamer.errors import TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.answers.tl_type import TlType, always, refusing
from tg_video_streamer.telegram.answers.updates import CHATS_OF_UPDATES
from tg_video_streamer.telegram.chat.reference import Chat

MIGRATED = "CHAT_MIGRATED"
"""Our word for a small group that is a supergroup now."""


def _unknown(_chat: Any) -> NoReturn:
    raise TelegramRefused(Message.of("chat.unknown"), word="CHAT_ID_INVALID", remedy=Message.of("chat.add_or_correct"))


def _small(found: types.Chat) -> Chat:
    """A small group; the supergroup that it became, where it did."""
    moved = found.migrated_to
    if isinstance(moved, types.InputChannel):
        return Chat(id=moved.channel_id, access_hash=moved.access_hash, small=False, title=found.title)
    if found.deactivated:
        raise TelegramRefused(Message.of("chat.closed"), word="CHAT_ID_INVALID")
    return Chat(id=found.id, access_hash=0, small=True, title=found.title)


CHAT: TlType[Chat] = TlType(
    {
        types.Chat: _small,
        types.Channel: lambda found: Chat(
            id=found.id, access_hash=found.access_hash or 0, small=False, title=found.title
        ),
        types.ChatForbidden: refusing("chat.forbidden", "CHAT_FORBIDDEN"),
        types.ChannelForbidden: refusing("chat.forbidden", "CHAT_FORBIDDEN"),
        types.ChatEmpty: _unknown,
        types.Community: refusing("chat.community", "CHANNEL_INVALID"),
        types.CommunityForbidden: refusing("chat.community", "CHANNEL_INVALID"),
    }
)
"""The chat, where the account may enter it; raises TelegramRefused where it may not."""

CHAT_NAME: TlType[str] = TlType(
    {
        types.Chat: lambda chat: str(chat.title),
        types.Channel: lambda chat: str(chat.title),
        types.ChatForbidden: lambda chat: str(chat.title),
        types.ChannelForbidden: lambda chat: str(chat.title),
        types.Community: lambda chat: str(chat.title),
        types.CommunityForbidden: lambda chat: str(chat.title),
        types.ChatEmpty: always(""),
    }
)
"""What people call it; empty where Telegram does not say."""

USER_NAME: TlType[str] = TlType(
    {
        types.User: lambda user: " ".join(filter(None, (user.first_name, user.last_name))),
        types.UserEmpty: always(""),
    }
)
"""What people call a user; empty where Telegram does not say."""

PEER_ID: TlType[int] = TlType(
    {
        types.PeerUser: lambda peer: int(peer.user_id),
        types.PeerChat: lambda peer: int(peer.chat_id),
        types.PeerChannel: lambda peer: int(peer.channel_id),
    }
)
"""Its number, which says nothing of its kind."""

USER_ID: TlType[int] = TlType(
    {
        types.PeerUser: lambda peer: int(peer.user_id),
        types.PeerChat: always(0),
        types.PeerChannel: always(0),
    }
)
"""The number of a user; 0 for a chat."""

CHATS: TlType[tuple[Any, ...]] = TlType(
    {
        types.messages.Chats: lambda answer: tuple(answer.chats),
        types.messages.ChatsSlice: lambda answer: tuple(answer.chats),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """What a name belongs to."""

    user_id: int
    """0 where it is a chat's."""
    chat: Any | None
    """Telegram's description of it; None where it is a user's."""


def _resolved(answer: types.contacts.ResolvedPeer) -> Resolved:
    number, user_id = PEER_ID.read(answer.peer), USER_ID.read(answer.peer)
    chats = [] if user_id else [chat for chat in answer.chats if chat.id == number]
    return Resolved(user_id=user_id, chat=chats[0] if chats else None)


RESOLVED: TlType[Resolved] = TlType({types.contacts.ResolvedPeer: _resolved})

INVITE: TlType[Any | None] = TlType(
    {
        types.ChatInviteAlready: lambda answer: answer.chat,
        types.ChatInvitePeek: always(None),
        types.ChatInvite: always(None),
    }
)
"""Telegram's description of the chat of an invitation, where the account is a member; None where it must join first."""


def _web_view(answer: types.messages.ChatInviteJoinResultWebView) -> NoReturn:
    bots = [USER_NAME.read(user) for user in answer.users if user.id == answer.bot_id]
    name = next(filter(None, bots), str(answer.bot_id))
    raise TelegramRefused(Message.of("chat.join_by_bot", bot=name), word="INVITE_WEB_VIEW")


JOIN_RESULT: TlType[tuple[Any, ...]] = TlType(
    {
        types.messages.ChatInviteJoinResultOk: lambda answer: CHATS_OF_UPDATES.read(answer.updates),
        types.messages.ChatInviteJoinResultWebView: _web_view,
    }
)
"""The chats that were joined; raises TelegramRefused where a person must answer a bot first."""


def joined_chats(answer: object) -> tuple[Any, ...]:
    """The chats of an accepted invitation; before layer 229 the answer is the updates alone."""
    return CHATS_OF_UPDATES.read(answer) if CHATS_OF_UPDATES.knows(answer) else JOIN_RESULT.read(answer)


PARTICIPANTS: TlType[tuple[Any, ...]] = TlType(
    {
        types.ChatParticipants: lambda answer: tuple(answer.participants),
        types.ChatParticipantsForbidden: refusing("chat.participants_hidden", "CHAT_PARTICIPANTS_FORBIDDEN"),
    }
)
"""Who is in a small group."""

SMALL_ADMIN: TlType[int] = TlType(
    {
        types.ChatParticipantCreator: lambda one: int(one.user_id),
        types.ChatParticipantAdmin: lambda one: int(one.user_id),
        types.ChatParticipant: always(0),
    }
)
"""The number of an administrator; 0 for another member."""

CHANNEL_PARTICIPANTS: TlType[tuple[Any, ...]] = TlType(
    {
        types.channels.ChannelParticipants: lambda answer: tuple(answer.participants),
        # Only for a request that names what is known, which ours do not.
        types.channels.ChannelParticipantsNotModified: refusing(
            "chat.participants_hidden", "CHANNEL_PARTICIPANTS_NOT_MODIFIED"
        ),
    }
)

CHANNEL_ADMIN: TlType[int] = TlType(
    {
        types.ChannelParticipantCreator: lambda one: int(one.user_id),
        types.ChannelParticipantAdmin: lambda one: int(one.user_id),
        types.ChannelParticipant: always(0),
        types.ChannelParticipantSelf: always(0),
        types.ChannelParticipantBanned: always(0),
        types.ChannelParticipantLeft: always(0),
    }
)
"""The number of an administrator; 0 for anybody else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FullChat:
    """A chat in full."""

    call: Any | None
    """What names its call; None for none."""
    participants: Any | None
    """Of a small group."""
    chats: tuple[Any, ...]


INPUT_CALL: TlType[Any] = TlType(
    {
        types.InputGroupCall: lambda call: call,
        types.InputGroupCallSlug: lambda call: call,
        types.InputGroupCallInviteMessage: lambda call: call,
    }
)
"""What names a call; requests take each of them."""

FULL_CHAT: TlType[tuple[Any | None, Any | None]] = TlType(
    {
        types.ChatFull: lambda full: (full.call, full.participants),
        types.ChannelFull: lambda full: (full.call, None),
        types.CommunityFull: always((None, None)),
    }
)
"""Call and participants."""


def _full(answer: types.messages.ChatFull) -> FullChat:
    call, participants = FULL_CHAT.read(answer.full_chat)
    return FullChat(
        call=INPUT_CALL.read(call) if call is not None else None,
        participants=participants,
        chats=tuple(answer.chats),
    )


FULL: TlType[FullChat] = TlType({types.messages.ChatFull: _full})
