"""Messages in chats: written, edited, pinned, told to members; and who administers a chat."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyrogram.raw import types

from stands.telegram_dc.accounts import told_user
from stands.telegram_dc.calls import announce
from stands.telegram_dc.chats import chat_of, told_chat, told_peer
from stands.telegram_dc.handlers import Table
from stands.telegram_dc.wire import Connection
from stands.telegram_dc.world import Chat, Message, Role, RpcFailed, World

MESSAGES = Table()
_ADMINS = {Role.CREATOR, Role.CALL_ADMIN, Role.ADMIN}


def told_message(world: World, chat: Chat, message: Message, user_id: int, **more: Any) -> Any:
    """A message as the API tells it to `user_id`; one without a sender is signed by the chat itself."""
    sender = types.PeerUser(user_id=message.sender) if message.sender else None
    if sender is None and not chat.broadcast:
        sender = told_peer(chat)
    return types.Message(
        id=message.id,
        peer_id=told_peer(chat),
        from_id=sender,
        date=int(world.now() - message.age_seconds),
        message=message.text,
        out=bool(message.sender) and message.sender == user_id,
        **more,
    )


def say(everybody: Iterable[Connection], world: World, chat: Chat, message: Message) -> None:
    """Keep a message and tell it to everybody in the chat."""
    chat.pts += 1
    message.id = chat.pts
    chat.messages[message.id] = message
    kind = types.UpdateNewMessage if chat.small else types.UpdateNewChannelMessage
    for one in set(everybody):
        told = told_message(world, chat, message, (one.key.user_id if one.key is not None else None) or 0)
        announce({one}, chat, kind(message=told, pts=chat.pts, pts_count=1))


def _may_write(connection: Connection, chat: Chat) -> None:
    role = chat.roles.get(connection.user_id)
    if role is None or (chat.broadcast and role not in _ADMINS):
        raise RpcFailed(403, "CHAT_WRITE_FORBIDDEN")


def _updates(connection: Connection, chat: Chat, *updates: Any) -> Any:
    return types.Updates(
        updates=list(updates),
        users=[told_user(connection.world.users[connection.user_id], myself=True)],
        chats=[told_chat(chat, connection.user_id)],
        date=int(connection.world.now()),
        seq=0,
    )


@MESSAGES.on("messages.sendMessage")
def _send(connection: Connection, request: Any) -> Any:
    world = connection.world
    chat = chat_of(connection, request.peer)
    _may_write(connection, chat)
    reply_to = getattr(request.reply_to, "reply_to_msg_id", None)
    sender = None if chat.broadcast else connection.user_id
    message = Message(sender=sender, text=request.message, reply_to=reply_to)
    say([one for one in connection.everybody if one is not connection], world, chat, message)
    return _updates(
        connection,
        chat,
        types.UpdateMessageID(id=message.id, random_id=request.random_id),
        types.UpdateNewChannelMessage(
            message=told_message(world, chat, message, connection.user_id), pts=chat.pts, pts_count=1
        ),
    )


@MESSAGES.on("messages.editMessage")
def _edit(connection: Connection, request: Any) -> Any:
    chat = chat_of(connection, request.peer)
    message = chat.messages.get(request.id)
    if message is None:
        raise RpcFailed(400, "MESSAGE_ID_INVALID")
    if message.text == request.message:
        raise RpcFailed(400, "MESSAGE_NOT_MODIFIED")
    message.text = request.message
    message.edits += 1
    chat.pts += 1
    told = told_message(connection.world, chat, message, connection.user_id)
    return _updates(connection, chat, types.UpdateEditChannelMessage(message=told, pts=chat.pts, pts_count=1))


@MESSAGES.on("messages.updatePinnedMessage")
def _pin(connection: Connection, request: Any) -> Any:
    chat = chat_of(connection, request.peer)
    if chat.roles.get(connection.user_id) is not Role.CREATOR:
        raise RpcFailed(400, "CHAT_ADMIN_REQUIRED")
    chat.pinned = request.id
    return _updates(connection, chat)


@MESSAGES.on("channels.getParticipants")
def _participants(connection: Connection, request: Any) -> Any:
    chat = chat_of(connection, request.channel)
    if chat.broadcast and chat.roles.get(connection.user_id) not in _ADMINS:
        raise RpcFailed(400, "CHAT_ADMIN_REQUIRED")
    admins = [user_id for user_id, role in chat.roles.items() if role in _ADMINS]
    return types.channels.ChannelParticipants(
        count=len(admins),
        participants=[
            types.ChannelParticipantAdmin(
                user_id=user_id,
                promoted_by=user_id,
                date=1_700_000_000,
                admin_rights=types.ChatAdminRights(manage_call=True),
            )
            for user_id in admins
        ],
        chats=[],
        users=[told_user(connection.world.users[one], myself=False) for one in admins if one in connection.world.users],
    )


@MESSAGES.on("updates.getChannelDifference")
def _difference(connection: Connection, request: Any) -> Any:
    chat = chat_of(connection, request.channel)
    return types.updates.ChannelDifferenceEmpty(pts=chat.pts, final=True)
