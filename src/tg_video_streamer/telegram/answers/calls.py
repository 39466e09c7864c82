"""Reads calls: what runs in a chat, who takes part, what Telegram answers to a join."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from telethon.tl import types

from tg_video_streamer.errors import TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.answers.chats import CHAT_NAME, PEER_ID, USER_NAME
from tg_video_streamer.telegram.answers.tl_type import TlType, always


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningCall:
    """A call as Telegram described it last."""

    id: int
    access_hash: int = field(repr=False)
    rtmp: bool
    title: str
    stream_dc: int | None
    """The data center that receives the stream; None where Telegram names none."""
    participants: int
    creator: bool = False
    """This account started it."""
    scheduled_wall: float | None = None
    """For when it is announced; None for a call that runs."""

    @property
    def as_input(self) -> types.InputGroupCall:
        """The call as requests name it."""
        return types.InputGroupCall(self.id, self.access_hash)


def _running(call: types.GroupCall) -> RunningCall:
    return RunningCall(
        id=call.id,
        access_hash=call.access_hash,
        rtmp=bool(call.rtmp_stream),
        title=call.title or "",
        stream_dc=call.stream_dc_id,
        participants=call.participants_count,
        creator=bool(call.creator),
        scheduled_wall=call.schedule_date.timestamp() if call.schedule_date is not None else None,
    )


CALL: TlType[RunningCall | None] = TlType({types.GroupCall: _running, types.GroupCallDiscarded: always(None)})
"""The call; None where it is over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallFacts:
    """A call, and the first of those who take part."""

    call: RunningCall | None
    """None where it is over."""
    publishers: tuple[str, ...]
    """The names of others who speak or show something; a name is empty where Telegram does not say it."""


def _facts(answer: types.phone.GroupCall) -> CallFacts:
    names = {user.id: USER_NAME.read(user) for user in answer.users}
    names |= {chat.id: CHAT_NAME.read(chat) for chat in answer.chats}
    publishers = [one for one in answer.participants if _publishes(one)]
    return CallFacts(
        call=CALL.read(answer.call),
        publishers=tuple(names.get(PEER_ID.read(one.peer), "") for one in publishers),
    )


def _publishes(one: types.GroupCallParticipant) -> bool:
    if one.is_self or one.left:
        return False
    return not one.muted or bool(one.video_joined) or one.video is not None or one.presentation is not None


CALL_FACTS: TlType[CallFacts] = TlType({types.phone.GroupCall: _facts})

STREAM_CHANNELS: TlType[int] = TlType(
    {
        types.phone.GroupCallStreamChannels: lambda answer: max(
            (int(one.last_timestamp_ms) for one in answer.channels), default=0
        )
    }
)
"""How far the newest channel of a live stream has come; 0 for no channel."""

STREAM_URL: TlType[tuple[str, str]] = TlType(
    {types.phone.GroupCallStreamRtmpUrl: lambda answer: (str(answer.url), str(answer.key))}
)
"""URL and key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallLog:
    """The part of a chat's log of recent actions that is about calls."""

    starters: dict[int, int]
    """The number of the user who started a call, by the call's id."""
    users: tuple[Any, ...]


def _log(answer: types.channels.AdminLogResults) -> CallLog:
    starters = {}
    for event in answer.events:
        action = event.action
        if isinstance(action, types.ChannelAdminLogEventActionStartGroupCall):
            starters[getattr(action.call, "id", 0)] = int(event.user_id)
    return CallLog(starters=starters, users=tuple(answer.users))


CALL_LOG: TlType[CallLog] = TlType({types.channels.AdminLogResults: _log})


def call_in(updates: tuple[Any, ...]) -> RunningCall | None:
    """The call that updates describe; None where they describe none that runs."""
    for update in updates:
        if isinstance(update, types.UpdateGroupCall) and (call := CALL.read(update.call)) is not None:
            return call
    return None


def transport_in(updates: tuple[Any, ...]) -> str:
    """Where to connect after a join, as the JSON that Telegram's media server wrote; empty where it is not said.

    Raises TelegramRefused where there is no media server to connect to.
    """
    for update in updates:
        if isinstance(update, types.UpdateGroupCallConnection) and not update.presentation:
            return _checked(str(update.params.data))
    return ""


def _checked(text: str) -> str:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise TelegramRefused(Message.of("call.no_transport"), word="CALL_TRANSPORT_UNREADABLE")
    if answer.get("rtmp"):
        raise TelegramRefused(Message.of("call.rtmp_stream"), word="GROUPCALL_RTMP_STREAM")
    if answer.get("stream"):
        raise TelegramRefused(Message.of("call.only_listens"), word="CALL_BROADCAST_ONLY")
    if not isinstance(answer.get("transport"), dict):
        raise TelegramRefused(Message.of("call.no_transport"), word="CALL_TRANSPORT_MISSING")
    return text
