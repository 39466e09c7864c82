"""Messages in chats: written, edited, pinned, announced to members; and who administers a chat."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyrogram.raw import types

from stands.telegram_dc.accounts import tl_user
from stands.telegram_dc.calls import announce
from stands.telegram_dc.chats import chat_of, tl_chat, tl_peer
from stands.telegram_dc.files import told_media
from stands.telegram_dc.handlers import Table
from stands.telegram_dc.wire import Connection
from stands.telegram_dc.world import Chat, Message, Role, RpcFailed, World

MESSAGES = Table()
_ADMINS = {Role.CREATOR, Role.CALL_ADMIN, Role.ADMIN}


def tl_message(world: World, chat: Chat, message: Message, user_id: int, **more: Any) -> Any:
    """A message as the API returns it to `user_id`; one without a sender is signed by the chat itself."""
    sender = types.PeerUser(user_id=message.sender) if message.sender else None
    if sender is None and not chat.broadcast:
        sender = tl_peer(chat)
    return types.Message(
        id=message.id,
        peer_id=tl_peer(chat),
        from_id=sender,
        date=int(world.now() - message.age_seconds),
        message=message.text,
        out=bool(message.sender) and message.sender == user_id,
        reply_to=types.MessageReplyHeader(reply_to_msg_id=message.reply_to) if message.reply_to else None,
        media=told_media(message.file) if message.file is not None else None,
        grouped_id=message.album,
        **more,
    )


def say(everybody: Iterable[Connection], world: World, chat: Chat, message: Message) -> None:
    """Store a message and announce it to everyone in the chat."""
    chat.pts += 1
    message.id = chat.pts
    chat.messages[message.id] = message
    kind = types.UpdateNewMessage if chat.small else types.UpdateNewChannelMessage
    for one in set(everybody):
        sent = tl_message(world, chat, message, (one.key.user_id if one.key is not None else None) or 0)
        announce({one}, chat, kind(message=sent, pts=chat.pts, pts_count=1))


def _may_write(connection: Connection, chat: Chat) -> None:
    role = chat.roles.get(connection.user_id)
    if role is None or (chat.broadcast and role not in _ADMINS):
        raise RpcFailed(403, "CHAT_WRITE_FORBIDDEN")


def _updates(connection: Connection, chat: Chat, *updates: Any) -> Any:
    return types.Updates(
        updates=list(updates),
        users=[tl_user(connection.world.users[connection.user_id], myself=True)],
        chats=[tl_chat(chat, connection.user_id)],
        date=int(connection.world.now()),
        seq=0,
    )


@MESSAGES.on("messages.sendMessage")
def _send(connection: Connection, request: Any) -> Any:
    world = connection.world
    chat = chat_of(connection, request.peer)
    _may_write(connection, chat)
    if request.random_id in chat.sent:
        raise RpcFailed(500, "RANDOM_ID_DUPLICATE")
    chat.sent.add(request.random_id)
    reply_to = getattr(request.reply_to, "reply_to_msg_id", None)
    sender = None if chat.broadcast else connection.user_id
    message = Message(sender=sender, text=request.message, reply_to=reply_to)
    say([one for one in connection.everybody if one is not connection], world, chat, message)
    return _updates(
        connection,
        chat,
        types.UpdateMessageID(id=message.id, random_id=request.random_id),
        types.UpdateNewChannelMessage(
            message=tl_message(world, chat, message, connection.user_id), pts=chat.pts, pts_count=1
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
    sent = tl_message(connection.world, chat, message, connection.user_id)
    return _updates(connection, chat, types.UpdateEditChannelMessage(message=sent, pts=chat.pts, pts_count=1))


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
        users=[tl_user(connection.world.users[one], myself=False) for one in admins if one in connection.world.users],
    )


@MESSAGES.on("updates.getChannelDifference")
def _difference(connection: Connection, request: Any) -> Any:
    chat = chat_of(connection, request.channel)
    return types.updates.ChannelDifferenceEmpty(pts=chat.pts, final=True)


def _page(connection: Connection, chat: Chat, messages: list[Any], count: int) -> Any:
    sent: dict[str, Any] = {
        "messages": messages,
        "topics": [],
        "chats": [tl_chat(chat, connection.user_id)],
        "users": [tl_user(connection.world.users[connection.user_id], myself=True)],
    }
    if not chat.small:
        return types.messages.ChannelMessages(pts=chat.pts, count=count, **sent)
    if count == len(messages):
        return types.messages.Messages(**sent)
    return types.messages.MessagesSlice(count=count, **sent)


@MESSAGES.on("messages.getHistory")
def _history(connection: Connection, request: Any) -> Any:
    world = connection.world
    chat = chat_of(connection, request.peer)
    every = sorted(chat.messages.values(), key=lambda one: -one.id)
    older = [
        one
        for one in every
        if (not request.offset_id or one.id < request.offset_id)
        and (not request.offset_date or world.now() - one.age_seconds < request.offset_date)
    ]
    begin = max(0, len(every) - len(older) + request.add_offset)
    page = [
        one
        for one in every[begin : begin + min(request.limit, 100)]
        if one.id > request.min_id and (not request.max_id or one.id < request.max_id)
    ]
    sent = [tl_message(world, chat, one, connection.user_id) for one in page]
    return _page(connection, chat, sent, len(every))


def _number(wanted: Any) -> int:
    """The number in an InputMessageID; kurigram reads a vector of these as one of longs, the number in the upper half."""
    return wanted >> 32 if isinstance(wanted, int) else int(wanted.id)


def _by_number(connection: Connection, chat: Chat, request: Any) -> Any:
    found = []
    for number in map(_number, request.id):
        message = chat.messages.get(number)
        if message is None:
            found.append(types.MessageEmpty(id=number))
        else:
            found.append(tl_message(connection.world, chat, message, connection.user_id))
    return _page(connection, chat, found, len(found))


@MESSAGES.on("channels.getMessages")
def _channel_messages(connection: Connection, request: Any) -> Any:
    return _by_number(connection, chat_of(connection, request.channel), request)


@MESSAGES.on("messages.getMessages")
def _small_messages(connection: Connection, request: Any) -> Any:
    small = [one for one in connection.world.chats.values() if one.small and connection.user_id in one.roles]
    wanted = set(map(_number, request.id))
    chat = next((one for one in small if wanted & one.messages.keys()), small[0])
    return _by_number(connection, chat, request)
