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
from tg_video_streamer.telegram.answers.calls import (
    STREAM_CHANNELS,
    STREAM_URL,
    CallFacts,
    RunningCall,
    call_in,
)
from tg_video_streamer.telegram.answers.updates import UPDATES
from tg_video_streamer.telegram.call.find import GONE, call_in_chat, facts_of, starter_of
from tg_video_streamer.telegram.chat.lookup import input_peer, is_stale
from tg_video_streamer.telegram.chat.reference import Chat
from tg_video_streamer.telegram.client.account import Account

log = structlog.get_logger(__name__)

ALREADY_STARTED = "GROUPCALL_ALREADY_STARTED"
_NOT_JOINED = frozenset({"GROUPCALL_JOIN_MISSING", "PARTICIPANT_JOIN_MISSING"})


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
            url, key = STREAM_URL.read(await self._account.invoke(request))
        except TelegramRefused as refused:
            raise explained(refused, "url") from refused
        remember_secret(key)
        access = StreamAccess(url=url, key=key)
        try:
            access.address()
        except ConfigError as error:
            raise TelegramRefused(Message.of("stream.invalid_url"), word="RTMP_URL_INVALID") from error
        return access

    async def facts(self) -> CallFacts | None:
        """The call that runs or is announced in the chat, and who takes part; None for none."""
        try:
            return await call_in_chat(self._account, self._peer)
        except TelegramRefused as refused:
            raise explained(refused, "read") from refused

    async def running(self) -> RunningCall | None:
        """The call that runs or is announced in the chat; None for none."""
        facts = await self.facts()
        return facts.call if facts is not None else None

    async def starter(self, call: RunningCall) -> str:
        """Who started a call of others; empty where Telegram does not say it."""
        return "" if call.creator else await starter_of(self._account, self._peer, call.id)

    async def started(self, title: str) -> RunningCall:
        """A new live stream."""
        try:
            return await self._create(title)
        except TelegramRefused as refused:
            raise explained(refused, "create") from refused

    async def refreshed(self, call: RunningCall) -> RunningCall | None:
        """The same call as it is now; None where it is over."""
        try:
            facts = await facts_of(self._account, call.as_input, participants=1)
        except TelegramRefused as refused:
            raise explained(refused, "read") from refused
        return facts.call if facts is not None else None

    async def newest_milliseconds(self, call: RunningCall) -> int:
        """How far the stream has come at Telegram, by its newest channel; 0 where nothing arrives.

        The data center that receives the stream answers participants only, so the account joins the call first, muted.
        """
        request = functions.phone.GetGroupCallStreamChannelsRequest(call.as_input)
        if call.id not in self._joined:
            await self._join(call)
        try:
            return STREAM_CHANNELS.read(await self._account.invoke(request, dc_id=call.stream_dc))
        except TelegramRefused as refused:
            if refused.word not in _NOT_JOINED:
                raise
        # Telegram forgets participants that were silent for a while.
        await self._join(call)
        return STREAM_CHANNELS.read(await self._account.invoke(request, dc_id=call.stream_dc))

    def viewers(self, call: RunningCall) -> int:
        """Participants without the account itself."""
        return max(0, call.participants - (call.id in self._joined))

    async def set_title(self, call: RunningCall, title: str) -> None:
        """Show `title` above the live stream."""
        request = functions.phone.EditGroupCallTitleRequest(call.as_input, title)
        try:
            await self._account.invoke(request)
        except TelegramRefused as refused:
            if refused.word != "GROUPCALL_NOT_MODIFIED":
                raise explained(refused, "title") from refused

    async def end(self, call: RunningCall) -> None:
        """End the call for all, so that the chat is free for one of another kind."""
        try:
            await self._account.invoke(functions.phone.DiscardGroupCallRequest(call.as_input))
        except TelegramRefused as refused:
            if refused.word not in GONE:
                raise explained(refused, "create") from refused

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
        """Raises TelegramRefused as it came."""
        try:
            updates = await self._created(title)
        except TelegramRefused as refused:
            if not title or refused.word == ALREADY_STARTED or is_stale(refused) or is_explained(refused, "create"):
                raise
            # What Telegram has against a title is in no list: it costs the title and not the stream.
            log.warning("live stream starts without its title", word=refused.word)
            updates = await self._created("")
        log.info("live stream started in the chat")
        # Where Telegram answers that there are too many updates, it must be asked.
        if (call := call_in(updates) or await self.running()) is None:
            raise TelegramRefused(Message.of("stream.unnamed"), word="CREATE_CALL_FAILED")
        return call

    async def _created(self, title: str) -> tuple[Any, ...]:
        request = functions.phone.CreateGroupCallRequest(self._peer, rtmp_stream=True, title=title or None)
        return UPDATES.read(await self._account.invoke(request))

    async def _join(self, call: RunningCall) -> None:
        """Join, muted: Telegram shows the channels of a stream to participants only."""
        source = secrets.randbelow(1 << 31)
        parameters = {"ufrag": secrets.token_hex(4), "pwd": secrets.token_hex(12), "fingerprints": [], "ssrc": source}
        request = functions.phone.JoinGroupCallRequest(
            call.as_input,
            join_as=types.InputPeerSelf(),
            params=types.DataJSON(json.dumps(parameters)),
            muted=True,
            video_stopped=True,
        )
        await self._account.invoke(request)
        # Calls that are over need not be left.
        self._joined = {call.id: (call.access_hash, source)}


def explained(refused: TelegramRefused, action: str) -> TelegramRefused:
    """The refusal with a text and a remedy for the `action` (url, create, title, read), where one is known."""
    what = _explanation(refused, action)
    return TelegramRefused(what, word=refused.word) if what is not None else refused


def is_explained(refused: TelegramRefused, action: str) -> bool:
    """Whether the cause of a refusal of `action` is known."""
    return _explanation(refused, action) is not None


def _explanation(refused: TelegramRefused, action: str) -> Message | None:
    word = refused.word.lower()
    keys = (f"stream_refusal.{action}_{word}", f"stream_refusal.{word}")
    return next((what for key in keys if (what := Message.find(key, word=refused.word)) is not None), None)
