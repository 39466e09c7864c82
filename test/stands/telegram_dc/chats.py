"""Chats and channels: the list of dialogs, names, invitations, rights."""

from __future__ import annotations

from typing import Any

from pyrogram.raw import types

from stands.telegram_dc.accounts import tl_user
from stands.telegram_dc.handlers import Table
from stands.telegram_dc.wire import Connection
from stands.telegram_dc.world import Call, Chat, Role, RpcFailed, World

CHATS = Table()
_BORN = 1_700_000_000


def tl_peer(chat: Chat) -> Any:
    """A chat as a peer."""
    return types.PeerChat(chat_id=chat.id) if chat.small else types.PeerChannel(channel_id=chat.id)


def tl_chat(chat: Chat, user_id: int) -> Any:
    """A chat as the API returns it to one user."""
    role = chat.roles.get(user_id)
    rights = None
    if role in {Role.CREATOR, Role.CALL_ADMIN, Role.ADMIN}:
        rights = types.ChatAdminRights(change_info=True, manage_call=role is not Role.ADMIN)
    if chat.small:
        return types.Chat(
            id=chat.id,
            title=chat.title,
            photo=types.ChatPhotoEmpty(),
            participants_count=len(chat.roles),
            date=_BORN,
            version=1,
            creator=role is Role.CREATOR,
            call_active=chat.call is not None,
            admin_rights=rights,
            deactivated=bool(chat.migrated_to),
            migrated_to=types.InputChannel(channel_id=chat.migrated_to, access_hash=chat.migrated_to + 7)
            if chat.migrated_to
            else None,
        )
    if role is None and chat.username is None:
        return types.ChannelForbidden(id=chat.id, access_hash=chat.access_hash, title=chat.title, megagroup=True)
    return types.Channel(
        id=chat.id,
        title=chat.title,
        photo=types.ChatPhotoEmpty(),
        date=_BORN,
        creator=role is Role.CREATOR,
        left=role is None,
        broadcast=chat.broadcast,
        megagroup=not chat.broadcast,
        call_active=chat.call is not None,
        access_hash=chat.access_hash,
        username=chat.username,
        admin_rights=rights,
    )


def chat_of(connection: Connection, peer: Any) -> Chat:
    """The chat behind an input peer, for somebody who may see it; raises RpcFailed as Telegram does."""
    world = connection.world
    chat = world.chats.get(getattr(peer, "channel_id", 0) or getattr(peer, "chat_id", 0))
    if chat is None or (not chat.small and chat.access_hash != getattr(peer, "access_hash", None)):
        raise RpcFailed(400, "CHAT_ID_INVALID" if isinstance(peer, types.InputPeerChat) else "CHANNEL_INVALID")
    if connection.user_id not in chat.roles and chat.username is None:
        raise RpcFailed(400, "CHANNEL_PRIVATE")
    if chat.migrated_to:
        raise RpcFailed(400, world.migrated_word or "CHAT_ID_INVALID")
    return chat


def tl_input_call(call: Call | None) -> Any:
    """A call as others refer to it."""
    return types.InputGroupCall(id=call.id, access_hash=call.access_hash) if call is not None else None


def _of_user(world: World, user_id: int) -> list[Chat]:
    return [chat for chat in world.chats.values() if user_id in chat.roles]


@CHATS.on("messages.getDialogs")
def _get_dialogs(connection: Connection, request: Any) -> Any:
    me = connection.user_id
    every = _of_user(connection.world, me) if not request.folder_id else []
    last = getattr(request.offset_peer, "channel_id", 0) or getattr(request.offset_peer, "chat_id", 0)
    begin = next((number for number, chat in enumerate(every, start=1) if chat.id == last), 0)
    chats = every[begin : begin + min(request.limit, connection.world.dialogs_at_most)]
    dialogs = [
        types.Dialog(
            peer=tl_peer(chat),
            top_message=1,
            read_inbox_max_id=1,
            read_outbox_max_id=1,
            unread_count=0,
            unread_mentions_count=0,
            unread_reactions_count=0,
            unread_poll_votes_count=0,
            notify_settings=types.PeerNotifySettings(),
        )
        for chat in chats
    ]
    messages = [
        types.MessageService(
            id=1, peer_id=tl_peer(chat), date=_BORN, action=types.MessageActionChannelCreate(title=chat.title)
        )
        for chat in chats
    ]
    sent: dict[str, Any] = {
        "dialogs": dialogs,
        "messages": messages,
        "chats": [tl_chat(chat, me) for chat in chats],
        "users": [tl_user(connection.world.users[me], myself=True)],
    }
    if len(chats) == len(every):
        return types.messages.Dialogs(**sent)
    return types.messages.DialogsSlice(count=len(every), **sent)


@CHATS.on("contacts.resolveUsername")
def _resolve_username(connection: Connection, request: Any) -> Any:
    for chat in connection.world.chats.values():
        if chat.username == request.username.lower():
            sent = tl_chat(chat, connection.user_id)
            return types.contacts.ResolvedPeer(peer=tl_peer(chat), chats=[sent], users=[])
    raise RpcFailed(400, "USERNAME_NOT_OCCUPIED")


def _invited(connection: Connection, invite_hash: str) -> Chat:
    for chat in connection.world.chats.values():
        if chat.invite_hash == invite_hash:
            return chat
    raise RpcFailed(400, "INVITE_HASH_EXPIRED")


@CHATS.on("messages.checkChatInvite")
def _check_chat_invite(connection: Connection, request: Any) -> Any:
    chat = _invited(connection, request.hash)
    if connection.user_id in chat.roles:
        return types.ChatInviteAlready(chat=tl_chat(chat, connection.user_id))
    return types.ChatInvite(
        title=chat.title,
        photo=types.PhotoEmpty(id=0),
        participants_count=len(chat.roles),
        color=0,
        channel=True,
        megagroup=not chat.broadcast,
    )


@CHATS.on("messages.importChatInvite")
def _import_chat_invite(connection: Connection, request: Any) -> Any:
    chat = _invited(connection, request.hash)
    if connection.user_id in chat.roles:
        raise RpcFailed(400, "USER_ALREADY_PARTICIPANT")
    chat.roles[connection.user_id] = Role.MEMBER
    return types.Updates(
        updates=[], users=[], chats=[tl_chat(chat, connection.user_id)], date=int(connection.world.now()), seq=0
    )


@CHATS.on("channels.getChannels")
def _get_channels(connection: Connection, request: Any) -> Any:
    chats = [chat_of(connection, one) for one in request.id]
    return types.messages.Chats(chats=[tl_chat(chat, connection.user_id) for chat in chats])


@CHATS.on("messages.getChats")
def _get_chats(connection: Connection, request: Any) -> Any:
    known = [connection.world.chats[one] for one in request.id if one in connection.world.chats]
    return types.messages.Chats(chats=[tl_chat(chat, connection.user_id) for chat in known if chat.small])


@CHATS.on("channels.getFullChannel")
def _get_full_channel(connection: Connection, request: Any) -> Any:
    chat = chat_of(connection, request.channel)
    full = types.ChannelFull(
        id=chat.id,
        about="",
        read_inbox_max_id=0,
        read_outbox_max_id=0,
        unread_count=0,
        chat_photo=types.PhotoEmpty(id=0),
        notify_settings=types.PeerNotifySettings(),
        bot_info=[],
        pts=1,
        participants_count=len(chat.roles),
        call=tl_input_call(chat.call),
    )
    return types.messages.ChatFull(full_chat=full, chats=[tl_chat(chat, connection.user_id)], users=[])


@CHATS.on("messages.getFullChat")
def _get_full_chat(connection: Connection, request: Any) -> Any:
    chat = connection.world.chats.get(request.chat_id)
    if chat is None or not chat.small or connection.user_id not in chat.roles:
        raise RpcFailed(400, "CHAT_ID_INVALID")
    if chat.migrated_to and connection.world.migrated_word:
        raise RpcFailed(400, connection.world.migrated_word)
    kinds = {Role.CREATOR: types.ChatParticipantCreator, Role.MEMBER: types.ChatParticipant}
    listed: list[Any] = []
    for user_id, role in chat.roles.items():
        more = {} if role is Role.CREATOR else {"inviter_id": user_id, "date": _BORN}
        listed.append(kinds.get(role, types.ChatParticipantAdmin)(user_id=user_id, **more))
    full = types.ChatFull(
        id=chat.id,
        about="",
        participants=types.ChatParticipants(chat_id=chat.id, participants=listed, version=1),
        notify_settings=types.PeerNotifySettings(),
        call=tl_input_call(chat.call),
    )
    return types.messages.ChatFull(full_chat=full, chats=[tl_chat(chat, connection.user_id)], users=[])
