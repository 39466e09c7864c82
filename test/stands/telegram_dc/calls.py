"""Video chats and live streams: creation, joining, watching, ending, and the proof of being on air."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

from pyrogram.raw import types

from stands.telegram_dc.accounts import tl_user
from stands.telegram_dc.chats import chat_of, tl_chat, tl_input_call, tl_peer
from stands.telegram_dc.handlers import Table
from stands.telegram_dc.wire import Connection
from stands.telegram_dc.world import Call, Chat, Participant, Role, RpcFailed, StreamState, World

CALLS = Table()


def tl_call(world: World, call: Call, user_id: int = 0) -> Any:
    """A call as the API returns it to `user_id`."""
    count = world.viewers if world.viewers is not None else len(call.participants)
    return types.GroupCall(
        id=call.id,
        access_hash=call.access_hash,
        participants_count=count,
        unmuted_video_limit=30,
        version=call.version,
        rtmp_stream=call.rtmp_stream,
        title=call.title,
        stream_dc_id=world.stream_dc if call.rtmp_stream else None,
        can_start_video=True,
        creator=bool(user_id) and call.owner == user_id,
        schedule_date=call.scheduled_at or None,
    )


def tl_participant(one: Participant, user_id: int, *, left: bool = False) -> Any:
    """A participant as the API returns it to `user_id`."""
    return types.GroupCallParticipant(
        peer=one.peer,
        date=int(time.time()),
        source=one.source,
        muted=one.muted,
        left=left,
        is_self=one.owner == user_id,
        video_joined=not one.video_stopped,
    )


def _updates(connection: Connection, chat: Chat, *updates: Any) -> Any:
    return types.Updates(
        updates=list(updates),
        users=[],
        chats=[tl_chat(chat, connection.user_id)],
        date=int(connection.world.now()),
        seq=0,
    )


def announce(everybody: set[Connection], chat: Chat, update: Any, *, but: Connection | None = None) -> None:
    """Push an update to everybody who is in the chat."""
    for one in everybody:
        if one is not but and one.key is not None and one.key.user_id in chat.roles and one.key.revoked is None:
            sent = types.Updates(
                updates=[update],
                users=[],
                chats=[tl_chat(chat, one.user_id)],
                date=int(one.world.now()),
                seq=0,
            )
            one.send(sent, reply=False)


def call_update(world: World, chat: Chat, call: Call, user_id: int = 0) -> Any:
    """The update that a call is as it is."""
    return types.UpdateGroupCall(call=tl_call(world, call, user_id), peer=tl_peer(chat))


def left_update(call: Call, one: Participant) -> Any:
    """The update that somebody left, or was removed."""
    return types.UpdateGroupCallParticipants(
        call=tl_input_call(call), participants=[tl_participant(one, 0, left=True)], version=call.version
    )


def ended_update(chat: Chat, call: Call) -> Any:
    """The update that a call is over."""
    discarded = types.GroupCallDiscarded(
        id=call.id, access_hash=call.access_hash, duration=int(time.time() - call.began)
    )
    return types.UpdateGroupCall(call=discarded, peer=tl_peer(chat))


def _may(connection: Connection, chat: Chat, roles: set[Role]) -> None:
    if chat.roles.get(connection.user_id) not in roles:
        raise RpcFailed(400, "CHAT_ADMIN_REQUIRED")


_CALL_ROLES = {Role.CREATOR, Role.CALL_ADMIN}


@CALLS.on("phone.getGroupCallStreamRtmpUrl")
def _rtmp_url(connection: Connection, request: Any) -> Any:
    chat = chat_of(connection, request.peer)
    _may(connection, chat, connection.world.rtmp_roles)
    if request.revoke:
        chat.rtmp = (chat.rtmp[0], f"{chat.id}:{os.urandom(8).hex()}")
    return types.phone.GroupCallStreamRtmpUrl(url=chat.rtmp[0], key=chat.rtmp[1])


@CALLS.on("phone.createGroupCall")
def _create(connection: Connection, request: Any) -> Any:
    chat = chat_of(connection, request.peer)
    _may(connection, chat, _CALL_ROLES)
    if chat.call is not None:
        raise RpcFailed(400, "GROUPCALL_ALREADY_STARTED")
    chat.call = Call(
        id=int.from_bytes(os.urandom(6), "little") + 1,
        access_hash=int.from_bytes(os.urandom(6), "little"),
        rtmp_stream=bool(request.rtmp_stream),
        title=request.title,
        owner=connection.user_id,
    )
    chat.call_log.append(chat.call)
    announce(connection.everybody, chat, call_update(connection.world, chat, chat.call), but=connection)
    return _updates(connection, chat, call_update(connection.world, chat, chat.call, connection.user_id))


@CALLS.on("phone.getGroupCall")
def _get(connection: Connection, request: Any) -> Any:
    chat, call = connection.world.call_of(request.call.id)
    return types.phone.GroupCall(
        call=tl_call(connection.world, call, connection.user_id),
        participants=[tl_participant(one, connection.user_id) for one in call.participants][: request.limit],
        participants_next_offset="",
        chats=[tl_chat(chat, connection.user_id)],
        users=_users(connection, {one.owner for one in call.participants}),
    )


@CALLS.on("phone.getGroupParticipants")
def _participants(connection: Connection, request: Any) -> Any:
    _, call = connection.world.call_of(request.call.id)
    return types.phone.GroupParticipants(
        count=len(call.participants),
        participants=[tl_participant(one, connection.user_id) for one in call.participants],
        next_offset="",
        chats=[],
        users=[],
        version=call.version,
    )


def _users(connection: Connection, wanted: set[int]) -> list[Any]:
    known = connection.world.users
    return [tl_user(known[one], myself=one == connection.user_id) for one in sorted(wanted) if one in known]


@CALLS.on("channels.getAdminLog")
def _admin_log(connection: Connection, request: Any) -> Any:
    """What administrators did with calls, newest first."""
    chat = chat_of(connection, request.channel)
    _may(connection, chat, _CALL_ROLES)
    started = [one for one in reversed(chat.call_log) if one.owner]
    return types.channels.AdminLogResults(
        events=[
            types.ChannelAdminLogEvent(
                id=number,
                date=int(one.began),
                user_id=one.owner,
                action=types.ChannelAdminLogEventActionStartGroupCall(call=tl_input_call(one)),
            )
            for number, one in enumerate(started, start=1)
        ],
        chats=[],
        users=_users(connection, {one.owner for one in started}),
    )


def _joined_as(connection: Connection, chat: Chat, peer: Any) -> Any:
    if isinstance(peer, types.InputPeerSelf):
        return types.PeerUser(user_id=connection.user_id)
    if getattr(peer, "user_id", None) == connection.user_id:
        return types.PeerUser(user_id=connection.user_id)
    other = chat_of(connection, peer)
    if chat.roles.get(connection.user_id) not in _CALL_ROLES or other.roles.get(connection.user_id) != Role.CREATOR:
        raise RpcFailed(400, "JOIN_AS_PEER_INVALID")
    return tl_peer(other)


@CALLS.on("phone.joinGroupCall")
async def _join(connection: Connection, request: Any) -> Any:
    world = connection.world
    chat, call = world.call_of(request.call.id)
    peer = _joined_as(connection, chat, request.join_as)
    source = int(json.loads(request.params.data).get("ssrc") or 1)
    source -= (source >> 31) << 32
    answer = json.dumps({"transport": None, "rtmp": call.rtmp_stream})
    if world.answer_join is not None and not call.rtmp_stream:
        answer = await asyncio.get_running_loop().run_in_executor(None, world.answer_join, request.params.data)
    call.participants = [one for one in call.participants if one.owner != connection.user_id]
    me = Participant(
        owner=connection.user_id,
        peer=peer,
        source=source,
        muted=bool(request.muted),
        video_stopped=bool(request.video_stopped),
    )
    call.participants.append(me)
    call.version += 1
    joined = types.UpdateGroupCallParticipants(
        call=tl_input_call(call), participants=[tl_participant(me, connection.user_id)], version=call.version
    )
    announce(connection.everybody, chat, joined, but=connection)
    return _updates(
        connection,
        chat,
        call_update(world, chat, call, connection.user_id),
        joined,
        types.UpdateGroupCallConnection(params=types.DataJSON(data=answer)),
    )


def _mine(connection: Connection, call: Call) -> Participant:
    for one in call.participants:
        if one.owner == connection.user_id:
            return one
    raise RpcFailed(400, "GROUPCALL_JOIN_MISSING")


@CALLS.on("phone.leaveGroupCall")
def _leave(connection: Connection, request: Any) -> Any:
    chat, call = connection.world.call_of(request.call.id)
    me = _mine(connection, call)
    call.participants.remove(me)
    call.version += 1
    announce(connection.everybody, chat, left_update(call, me), but=connection)
    return _updates(connection, chat, left_update(call, me))


@CALLS.on("phone.discardGroupCall")
def _discard(connection: Connection, request: Any) -> Any:
    chat, call = connection.world.call_of(request.call.id)
    _may(connection, chat, _CALL_ROLES)
    chat.call = None
    announce(connection.everybody, chat, ended_update(chat, call), but=connection)
    return _updates(connection, chat, ended_update(chat, call))


@CALLS.on("phone.checkGroupCall")
def _check(connection: Connection, request: Any) -> Any:
    _, call = connection.world.call_of(request.call.id)
    me = _mine(connection, call)
    return [source for source in request.sources if source == me.source]


@CALLS.on("phone.editGroupCallTitle")
def _title(connection: Connection, request: Any) -> Any:
    chat, call = connection.world.call_of(request.call.id)
    _may(connection, chat, _CALL_ROLES)
    if call.title == request.title:
        raise RpcFailed(400, "GROUPCALL_NOT_MODIFIED")
    call.title = request.title
    call.version += 1
    update = call_update(connection.world, chat, call)
    announce(connection.everybody, chat, update, but=connection)
    return _updates(connection, chat, update)


@CALLS.on("phone.editGroupCallParticipant")
def _edit(connection: Connection, request: Any) -> Any:
    chat, call = connection.world.call_of(request.call.id)
    me = _mine(connection, call)
    me.muted = bool(request.muted) if request.muted is not None else me.muted
    me.video_stopped = bool(request.video_stopped) if request.video_stopped is not None else me.video_stopped
    call.version += 1
    sent = tl_participant(me, connection.user_id)
    return _updates(
        connection,
        chat,
        types.UpdateGroupCallParticipants(call=tl_input_call(call), participants=[sent], version=call.version),
    )


@CALLS.on("phone.getGroupCallStreamChannels")
def _channels(connection: Connection, request: Any) -> Any:
    world = connection.world
    _, call = world.call_of(request.call.id)
    if connection.dc != world.stream_dc:
        raise RpcFailed(303, f"FILE_MIGRATE_{world.stream_dc}")
    _mine(connection, call)
    if world.stream is StreamState.EMPTY:
        return types.phone.GroupCallStreamChannels(channels=[])
    last = int(time.time() * 1000) if world.stream is StreamState.ADVANCING else int(call.began * 1000)
    return types.phone.GroupCallStreamChannels(
        channels=[types.GroupCallStreamChannel(channel=1, scale=0, last_timestamp_ms=last)]
    )
