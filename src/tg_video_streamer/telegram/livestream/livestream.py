"""Signals one chat's RTMP live stream: URL and key, creation, title, viewers, and the channels that Telegram receives."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import structlog
from telethon.tl import functions, types

from tg_video_streamer.errors import ConfigError, TelegramRefused
from tg_video_streamer.locales.message import Message
from tg_video_streamer.rtmp.address import RtmpAddress, parse_rtmp_url
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.telegram.chat.lookup import input_peer
from tg_video_streamer.telegram.chat.reference import Chat
from tg_video_streamer.telegram.client.account import Account

log = structlog.get_logger(__name__)

GONE = frozenset({"GROUPCALL_INVALID", "GROUPCALL_FORBIDDEN", "GROUP_CALL_INVALID"})
"""Telegram's errors for a call that is over."""
_NOT_JOINED = frozenset({"GROUPCALL_JOIN_MISSING", "PARTICIPANT_JOIN_MISSING"})


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


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamAccess:
    """Where to publish, as Telegram hands it out and as it is saved."""

    url: str
    key: str = field(repr=False)

    def address(self) -> RtmpAddress:
        """The two as one address; raises ConfigError, which repeats neither."""
        return parse_rtmp_url(f"{self.url.rstrip('/')}/{self.key}")


class LiveStream:
    """One chat's live stream, signalled by one account; every method may raise SessionError and TelegramRefused."""

    def __init__(self, account: Account, chat: Chat) -> None:
        self._account = account
        self._peer = input_peer(chat)
        self.chat = chat
        self._joined: dict[int, tuple[int, int]] = {}
        """Access hash and source number of the call that was joined."""

    async def access(self, *, revoke: bool = False) -> StreamAccess:
        """URL and key; `revoke` makes a new key and invalidates the old one."""
        request = functions.phone.GetGroupCallStreamRtmpUrlRequest(self._peer, revoke=revoke)
        try:
            answer = await self._account.invoke(request)
        except TelegramRefused as refused:
            raise explained(refused, "url") from refused
        remember_secret(answer.key)
        access = StreamAccess(url=answer.url, key=answer.key)
        try:
            access.address()
        except ConfigError as error:
            raise TelegramRefused(Message.of("stream.invalid_url"), word="RTMP_URL_INVALID") from error
        return access

    async def running(self) -> RunningCall | None:
        """The call that runs in the chat; None for none."""
        if self.chat.small:
            full = await self._invoke(functions.messages.GetFullChatRequest(self.chat.id), "read")
        else:
            channel = types.InputChannel(self._peer.channel_id, self._peer.access_hash)
            full = await self._invoke(functions.channels.GetFullChannelRequest(channel), "read")
        call = full.full_chat.call
        if not isinstance(call, types.InputGroupCall):
            return None
        try:
            return await self._read(call)
        except TelegramRefused as refused:
            if refused.word in GONE:
                return None
            raise

    async def ensure(self, title: str) -> RunningCall:
        """The live stream that runs, started where none does; refused where a call of another kind has the chat."""
        call = await self.running()
        if call is None:
            call = await self._create(title)
        if not call.rtmp:
            raise TelegramRefused(Message.of("stream.video_chat"), word="GROUPCALL_ALREADY_STARTED")
        return call

    async def refreshed(self, call: RunningCall) -> RunningCall | None:
        """The same call as it is now; None where it is over."""
        try:
            return await self._read(types.InputGroupCall(call.id, call.access_hash))
        except TelegramRefused as refused:
            if refused.word in GONE:
                return None
            raise

    async def newest_milliseconds(self, call: RunningCall) -> int:
        """How far the stream has come at Telegram, by its newest channel; 0 where nothing arrives.

        The data center that receives the stream answers participants only, so the account joins the call first, muted.
        """
        request = functions.phone.GetGroupCallStreamChannelsRequest(types.InputGroupCall(call.id, call.access_hash))
        if call.id not in self._joined:
            await self._join(call)
        try:
            answer = await self._account.invoke(request, dc_id=call.stream_dc)
        except TelegramRefused as refused:
            if refused.word not in _NOT_JOINED:
                raise
            # Telegram forgets participants that were silent for a while.
            await self._join(call)
            answer = await self._account.invoke(request, dc_id=call.stream_dc)
        return max((one.last_timestamp_ms for one in answer.channels), default=0)

    def viewers(self, call: RunningCall) -> int:
        """Participants without the account itself."""
        return max(0, call.participants - (call.id in self._joined))

    async def set_title(self, call: RunningCall, title: str) -> None:
        """Show `title` above the live stream."""
        request = functions.phone.EditGroupCallTitleRequest(types.InputGroupCall(call.id, call.access_hash), title)
        try:
            await self._invoke(request, "title")
        except TelegramRefused as refused:
            if refused.word != "GROUPCALL_NOT_MODIFIED":
                raise

    async def end(self, call: RunningCall) -> None:
        """End the call for all, so that the chat is free for one of another kind."""
        try:
            await self._invoke(
                functions.phone.DiscardGroupCallRequest(types.InputGroupCall(call.id, call.access_hash)), "create"
            )
        except TelegramRefused as refused:
            if refused.word not in GONE:
                raise

    async def leave(self) -> None:
        """Take the account out of the calls that it joined."""
        joined, self._joined = self._joined, {}
        for call_id, (access_hash, source) in joined.items():
            request = functions.phone.LeaveGroupCallRequest(types.InputGroupCall(call_id, access_hash), source)
            try:
                await self._account.invoke(request, timeout_seconds=1.0)
            except TelegramRefused as refused:
                log.debug("a call was not there to be left", word=refused.word)

    async def _create(self, title: str) -> RunningCall:
        request = functions.phone.CreateGroupCallRequest(self._peer, rtmp_stream=True, title=title or None)
        try:
            updates = await self._account.invoke(request)
        except TelegramRefused as refused:
            if refused.word != "GROUPCALL_ALREADY_STARTED":
                raise explained(refused, "create") from refused
            # Another participant was quicker.
            if (call := await self.running()) is None:
                raise explained(refused, "create") from refused
            return call
        for update in updates.updates:
            if isinstance(update, types.UpdateGroupCall) and isinstance(update.call, types.GroupCall):
                log.info("live stream started in the chat")
                return _call(update.call)
        raise TelegramRefused(Message.of("stream.unnamed"), word="CREATE_CALL_FAILED")

    async def _join(self, call: RunningCall) -> None:
        """Join, muted: Telegram shows the channels of a stream to participants only."""
        source = secrets.randbelow(1 << 31)
        parameters = {"ufrag": secrets.token_hex(4), "pwd": secrets.token_hex(12), "fingerprints": [], "ssrc": source}
        request = functions.phone.JoinGroupCallRequest(
            types.InputGroupCall(call.id, call.access_hash),
            join_as=types.InputPeerSelf(),
            params=types.DataJSON(json.dumps(parameters)),
            muted=True,
            video_stopped=True,
        )
        await self._account.invoke(request)
        # Calls that are over need not be left.
        self._joined = {call.id: (call.access_hash, source)}

    async def _read(self, call: types.InputGroupCall) -> RunningCall:
        answer = await self._invoke(functions.phone.GetGroupCallRequest(call, limit=1), "read")
        if not isinstance(answer.call, types.GroupCall):
            raise TelegramRefused(Message.of("stream.over"), word="GROUPCALL_INVALID")
        return _call(answer.call)

    async def _invoke(self, request: Any, action: str) -> Any:
        try:
            return await self._account.invoke(request)
        except TelegramRefused as refused:
            raise explained(refused, action) from refused


def ended_call(update: Any) -> int:
    """The id of the call that an update ends; 0 for any other update."""
    if isinstance(update, types.UpdateGroupCall) and isinstance(update.call, types.GroupCallDiscarded):
        return int(update.call.id)
    return 0


def explained(refused: TelegramRefused, action: str) -> TelegramRefused:
    """The refusal with a text and a remedy for the `action` (url, create, title, read), where one is known."""
    word = refused.word.lower()
    for key in (f"stream_refusal.{action}_{word}", f"stream_refusal.{word}"):
        if (what := Message.find(key, word=refused.word)) is not None:
            return TelegramRefused(what, word=refused.word)
    return refused


def _call(answer: types.GroupCall) -> RunningCall:
    return RunningCall(
        id=answer.id,
        access_hash=answer.access_hash,
        rtmp=bool(answer.rtmp_stream),
        title=answer.title or "",
        stream_dc=answer.stream_dc_id,
        participants=answer.participants_count,
    )
