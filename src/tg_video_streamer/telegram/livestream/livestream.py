"""Signalling of one chat's RTMP live stream: URL and key, creation, title, viewers, and the channels that prove it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import structlog
from telethon.tl import functions, types

from tg_video_streamer.errors import ConfigError, TelegramRefused
from tg_video_streamer.rtmp.address import RtmpAddress, parse_rtmp_url
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.telegram.chat.lookup import input_peer
from tg_video_streamer.telegram.chat.reference import Chat
from tg_video_streamer.telegram.client.account import Account

log = structlog.get_logger(__name__)

GONE = frozenset({"GROUPCALL_INVALID", "GROUPCALL_FORBIDDEN", "GROUP_CALL_INVALID"})
"""Words for a call that is over."""
_NOT_JOINED = frozenset({"GROUPCALL_JOIN_MISSING", "PARTICIPANT_JOIN_MISSING"})
_TOLD = {
    ("url", "CHAT_ADMIN_REQUIRED"): (
        "Telegram hands out the live stream's URL only to the chat's owner or to whom may manage live streams",
        "make the account of SESSION_STRING an administrator with that right, or paste URL and key into OUTPUTS",
    ),
    ("create", "CHAT_ADMIN_REQUIRED"): (
        "the account may not start a live stream in the chat",
        "give it the administrator right to manage live streams, or start one by hand with `Stream with…`",
    ),
    ("create", "CREATE_CALL_FAILED"): (
        "Telegram could not start the live stream",
        "it is tried again; start one by hand with `Stream with…` if it stays so",
    ),
    ("title", "CHAT_ADMIN_REQUIRED"): (
        "the account may not change the live stream's title",
        "give it the administrator right to manage live streams",
    ),
}
_TOLD_ANYWHERE = {
    "CHANNEL_PRIVATE": (
        "the account of SESSION_STRING is no member of the chat any longer",
        "let an administrator add it, or correct CHAT_ID",
    ),
    "CHAT_FORBIDDEN": (
        "the account of SESSION_STRING is not let into the chat",
        "let an administrator add it, or correct CHAT_ID",
    ),
    "CHAT_WRITE_FORBIDDEN": (
        "the account of SESSION_STRING may do nothing in the chat",
        "give it the administrator right to manage live streams",
    ),
    "USER_BANNED_IN_CHANNEL": (
        "the account of SESSION_STRING is restricted by Telegram in channels",
        "ask @SpamBot in Telegram what for and until when",
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningCall:
    """A call as Telegram told it last."""

    id: int
    access_hash: int = field(repr=False)
    rtmp: bool
    title: str
    stream_dc: int | None
    """The data centre that knows what arrives; None where Telegram names none."""
    participants: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamAccess:
    """Where to publish, as Telegram hands it out and as it is kept."""

    url: str
    key: str = field(repr=False)

    def address(self) -> RtmpAddress:
        """The two as one address; raises ConfigError, which repeats neither."""
        return parse_rtmp_url(f"{self.url.rstrip('/')}/{self.key}")


class LiveStream:
    """One chat's live stream, spoken of by one account; every method may raise SessionError and TelegramRefused."""

    def __init__(self, account: Account, chat: Chat) -> None:
        self._account = account
        self._peer = input_peer(chat)
        self.chat = chat
        self._joined: dict[int, tuple[int, int]] = {}
        """Access hash and source number of the call that was joined."""

    async def access(self, *, revoke: bool = False) -> StreamAccess:
        """URL and key; with `revoke` a new key, after which the old one counts no more."""
        request = functions.phone.GetGroupCallStreamRtmpUrlRequest(self._peer, revoke=revoke)
        try:
            told = await self._account.invoke(request)
        except TelegramRefused as refused:
            raise explained(refused, "url") from refused
        remember_secret(told.key)
        access = StreamAccess(url=told.url, key=told.key)
        try:
            access.address()
        except ConfigError as error:
            raise TelegramRefused("Telegram handed out a URL that is none", word="RTMP_URL_INVALID") from error
        return access

    async def running(self) -> RunningCall | None:
        """The call that runs in the chat; None for none."""
        if self.chat.small:
            full = await self._invoke(functions.messages.GetFullChatRequest(self.chat.id), "look")
        else:
            channel = types.InputChannel(self._peer.channel_id, self._peer.access_hash)
            full = await self._invoke(functions.channels.GetFullChannelRequest(channel), "look")
        call = full.full_chat.call
        if not isinstance(call, types.InputGroupCall):
            return None
        try:
            return await self._told(call)
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
            raise TelegramRefused(
                "a video chat runs in the chat, and there can be one call at a time",
                word="GROUPCALL_ALREADY_STARTED",
                remedy="end it in Telegram, or set TELEGRAM_TRANSPORT=call to take part in it",
            )
        return call

    async def look(self, call: RunningCall) -> RunningCall | None:
        """The same call as it is now; None where it is over."""
        try:
            return await self._told(types.InputGroupCall(call.id, call.access_hash))
        except TelegramRefused as refused:
            if refused.word in GONE:
                return None
            raise

    async def newest_milliseconds(self, call: RunningCall) -> int:
        """How far the stream has come at Telegram, by its newest channel; 0 where nothing arrives.

        It is asked of the data centre that takes the stream, by a participant: the call is joined before, unheard.
        """
        request = functions.phone.GetGroupCallStreamChannelsRequest(types.InputGroupCall(call.id, call.access_hash))
        if call.id not in self._joined:
            await self._join(call)
        try:
            told = await self._account.invoke(request, dc_id=call.stream_dc)
        except TelegramRefused as refused:
            if refused.word not in _NOT_JOINED:
                raise
            # Telegram forgets participants that did not speak up for a while.
            await self._join(call)
            told = await self._account.invoke(request, dc_id=call.stream_dc)
        return max((one.last_timestamp_ms for one in told.channels), default=0)

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
        """Take the account out of the calls that it looked at."""
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
            # Somebody was quicker.
            if (call := await self.running()) is None:
                raise explained(refused, "create") from refused
            return call
        for update in updates.updates:
            if isinstance(update, types.UpdateGroupCall) and isinstance(update.call, types.GroupCall):
                log.info("live stream started in the chat")
                return _call(update.call)
        raise TelegramRefused("Telegram did not tell which live stream it started", word="CREATE_CALL_FAILED")

    async def _join(self, call: RunningCall) -> None:
        """Take part, muted: Telegram tells the channels of a stream to participants only."""
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

    async def _told(self, call: types.InputGroupCall) -> RunningCall:
        told = await self._invoke(functions.phone.GetGroupCallRequest(call, limit=1), "look")
        if not isinstance(told.call, types.GroupCall):
            raise TelegramRefused("the live stream is over", word="GROUPCALL_INVALID")
        return _call(told.call)

    async def _invoke(self, request: Any, doing: str) -> Any:
        try:
            return await self._account.invoke(request)
        except TelegramRefused as refused:
            raise explained(refused, doing) from refused


def ended_call(update: Any) -> int:
    """The id of the call that an update tells the end of; 0 for any other update."""
    if isinstance(update, types.UpdateGroupCall) and isinstance(update.call, types.GroupCallDiscarded):
        return int(update.call.id)
    return 0


def explained(refused: TelegramRefused, doing: str) -> TelegramRefused:
    """The same refusal in words for what was being done (url, create, title, look), where there are better ones."""
    told = _TOLD.get((doing, refused.word)) or _TOLD_ANYWHERE.get(refused.word)
    if told is None:
        return refused
    what, remedy = told
    return TelegramRefused(f"{what} ({refused.word})", word=refused.word, remedy=remedy)


def _call(told: types.GroupCall) -> RunningCall:
    return RunningCall(
        id=told.id,
        access_hash=told.access_hash,
        rtmp=bool(told.rtmp_stream),
        title=told.title or "",
        stream_dc=told.stream_dc_id,
        participants=told.participants_count,
    )
