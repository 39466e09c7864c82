"""The output `telegram`: chooses the transport, asks Telegram where to publish, and owns the handler.

Telethon is imported only once an account is there: a channel that waits for its session needs none of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import (
    CallInTheWay,
    ConfigError,
    OutputError,
    OutputLost,
    OutputRejected,
    SessionEnded,
    SessionError,
    TelegramRefused,
)
from tg_video_streamer.events import Event, SegmentStarted, SourceLevel
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.locales.message import Message
from tg_video_streamer.outputs.adapter import Adapter
from tg_video_streamer.outputs.handler import OutputHandler, Publish
from tg_video_streamer.outputs.rtmp import RtmpAdapter
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.outputs.telegram.adapter import TelegramAdapter
from tg_video_streamer.outputs.telegram.claim import CallClaim
from tg_video_streamer.outputs.telegram.transport_plan import TelegramTransport, TransportPlan
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.rtmp.address import RtmpAddress, parse_rtmp_url
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.telegram.chat.own_chat import OwnChat
from tg_video_streamer.telegram.chat.reference import Chat, ChatReference
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.livestream.title import TitlePacer
from tg_video_streamer.telegram.session.keeper import SessionChange, SessionKeeper

_RECORD = "stream"

if TYPE_CHECKING:
    from tg_video_streamer.telegram.answers.calls import RunningCall
    from tg_video_streamer.telegram.call.call import GroupCall
    from tg_video_streamer.telegram.client.account import Account
    from tg_video_streamer.telegram.livestream.livestream import LiveStream

log = structlog.get_logger(__name__)

ASK_SECONDS = 10.0
"""The shortest time between two requests for the address, such as while a server refuses connections."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundStream:
    """The live stream that is on air, and its call."""

    live: LiveStream
    call: RunningCall


class TelegramOutput:
    """Owns the handler and the live stream or call that it sends to; for the event loop's thread, but for the handler."""

    def __init__(
        self,
        *,
        name: str,
        chat: OwnChat,
        reference: ChatReference,
        plan: TransportPlan,
        session: SessionKeeper,
        store: TelegramState,
        titles: TitlePacer,
        house: HouseFormat,
        fanout: Fanout,
        publish: Publish,
        clock: Clock,
        as_channel: bool = False,
    ) -> None:
        """`as_channel`: join a video chat as the channel itself."""
        self._chat = chat
        self._plan = plan
        self._saved = SavedAddress(store, reference)
        self._session = session
        self._house = house
        self._fanout = fanout
        self._clock = clock
        self._as_channel = as_channel
        self._calls: dict[Chat, GroupCall] = {}
        """One a chat, since it counts the joins."""
        self.titles = titles
        """The title of the live stream."""
        self._loop = asyncio.get_running_loop()
        self._live: LiveStream | None = None
        self._adapter: TelegramAdapter | None = None
        self._asked_at: float | None = None
        self._ask_again = True
        self._new_key = False
        self._unsubscribe: Callable[[], None] = lambda: None
        self.seen_at = clock.monotonic()
        """When a watch last looked at the output to the end, whatever it found."""
        self.key_at: float | None = None
        """When the key was last revoked: no watch does it more often than its pace allows, however often it is restarted."""
        self.stream: FoundStream | None = None
        """The live stream that is watched; None while it is unknown."""
        self.call: GroupCall | None = None
        """Our participation in the video chat, where that is the transport."""
        self.transport = TelegramTransport.RTMP
        self.ended = asyncio.Event()
        """Set by an update that the live stream is over."""
        self.handler = OutputHandler(
            name=name, kind="telegram", make_adapter=self._attempt, fanout=fanout, publish=publish, clock=clock
        )
        self._wait = SessionWait(self.handler.waits)
        self._claim = CallClaim(self.handler.waits, may_end=plan.may_change)
        chat.subscribe(self._chat_forgotten)
        session.subscribe(self._session_changed)

    # The session

    async def _session_changed(self, change: SessionChange) -> None:
        if change.account is not None:
            self._session_came(change.account)
        elif change.retrying:
            self._wait.delayed(change.why)
        else:
            await self._session_lost(change.why)

    def _session_came(self, account: Account) -> None:
        """Ask Telegram from now on, and start again where the lack of a session kept the output off the air."""
        # Telethon was loaded with the account; our own modules on top of it take no time.
        updates = import_module("tg_video_streamer.telegram.answers.updates")

        def on_update(update: Any) -> None:
            self._chat.on_update(update)
            if (ended := updates.ended_call(update)) != 0:
                self._claim.over()
                if self.stream is not None and ended == self.stream.call.id:
                    self.ended.set()

        self._live = self.stream = None
        self._ask_again = True
        # The time without a session says nothing about either transport.
        self._plan.on_air()
        self._unsubscribe()
        self._unsubscribe = account.subscribe(on_update)
        self._wait.came()
        if self.handler.status().state is OutputState.SUSPENDED:
            self.handler.start()

    def _chat_forgotten(self) -> None:
        """Its number is another one now: nothing of the old one is used again."""
        self._live = None
        self._calls.clear()
        self._ask_again = True

    async def _session_lost(self, why: Message) -> None:
        """Stay on air with a saved key, or wait for the next session."""
        self._wait.went()
        self._live = self.stream = None
        if self._saved.address() is None or self.transport is TelegramTransport.CALL:
            await asyncio.to_thread(self.handler.suspend, why)

    def on_event(self, event: Event) -> None:
        """Follow the item on air; subscribe this to the event bus."""
        if isinstance(event, SegmentStarted) and event.content.level is SourceLevel.ITEM:
            self.titles.want(event.content.title)

    @property
    def asks(self) -> bool:
        """Whether there is an account that can be asked now."""
        account = self._session.account
        return account is not None and account.online

    def reconnect(self, why: Message, *, new_key: bool = False) -> None:
        """Break the connection, and ask Telegram before the next one; with `new_key` the old key is revoked."""
        self._ask_again = True
        self._new_key |= new_key
        self.stream = None
        if self._adapter is not None:
            self._adapter.lose(why)

    async def find_stream(self) -> None:
        """Find the live stream of a connection that was made without asking; raises TelegramRefused, SessionError.

        Where none runs, what is sent goes nowhere: the connection is broken, and the next one starts a live stream.
        """
        account = self._session.account
        if account is None:
            return
        live, call = await self._chat.ask(account, lambda chat: self._running(account, chat))
        if call is None or not call.rtmp or call.scheduled_wall is not None:
            self.reconnect(Message.of("stream.none"))
        elif account is self._session.account:
            self.ended.clear()
            self.stream = FoundStream(live=live, call=call)

    async def leave(self) -> None:
        """Take the account out of the live stream that it joined; within a second, or not at all."""
        if self._live is None or not self.asks:
            return
        try:
            async with asyncio.timeout(1.0):
                await self._live.leave()
        except (TimeoutError, SessionError) as trouble:
            log.info("the live stream was not left, Telegram does that itself", why=type(trouble).__name__)

    # One attempt

    def _attempt(self, cancelled: threading.Event) -> Adapter:
        self._adapter = TelegramAdapter(
            self._reach, loop=self._loop, cancelled=cancelled, failed=self._failed_in_thread
        )
        return self._adapter

    def _failed_in_thread(self, error: OutputError) -> None:
        self._loop.call_soon_threadsafe(self._failed, error)

    def _failed(self, error: OutputError) -> None:
        self._plan.failed(self._clock.monotonic())
        if isinstance(error, OutputRejected):
            # A key that was revoked elsewhere is refused like this; the server does not say why.
            self._ask_again = True

    async def _reach(self, cancelled: threading.Event) -> Adapter:
        """The adapter of the chosen transport; waits for a session where it needs one."""
        while True:
            account = self._session.account
            if account is None:
                if (saved := self._saved.address()) is not None:
                    return self._on(TelegramTransport.RTMP, self._rtmp_adapter(saved, cancelled))
                await self._wait.over()
                continue
            way = self._plan.choose(self._clock.monotonic())
            try:
                return self._on(way, await self._by(way, account, cancelled))
            except CallInTheWay as busy:
                # It says nothing about either transport.
                self._plan.on_air()
                await self._claim.wait(busy)
            except TelegramRefused as refused:
                if self._plan.refused():
                    log.info("no live stream for this account, trying the video chat", word=refused.word)
                    continue
                raise OutputRejected.because_of(refused) from refused
            except SessionError as trouble:
                saved = self._saved.address() if way is TelegramTransport.RTMP else None
                if saved is None:
                    raise OutputLost.because_of(trouble) from trouble
                if not isinstance(trouble, SessionEnded):
                    log.warning("telegram cannot be asked, using the saved key", why=trouble.what)
                return self._on(way, self._rtmp_adapter(saved, cancelled))

    async def _by(self, way: TelegramTransport, account: Account, cancelled: threading.Event) -> Adapter:
        """The adapter of this transport; raises CallInTheWay, TelegramRefused, SessionError."""
        if way is TelegramTransport.RTMP:
            return self._rtmp_adapter(await self._address(account), cancelled)
        return self._call_adapter(await self._chat.ask(account, lambda chat: self._place(account, chat)), cancelled)

    async def _place(self, account: Account, chat: Chat) -> Chat:
        """The chat, with a place for our part in its video chat."""
        await self._claim.call(self._live_in(account, chat), rtmp=False)
        return chat

    async def _running(self, account: Account, chat: Chat) -> tuple[LiveStream, RunningCall | None]:
        live = self._live_in(account, chat)
        return live, await live.running()

    def _on(self, way: TelegramTransport, adapter: Adapter) -> Adapter:
        self._claim.claimed()
        if way is not self.transport:
            log.info("telegram output changed its transport", transport=str(way))
            self.stream = None
        self.transport = way
        return adapter

    def _rtmp_adapter(self, address: RtmpAddress, cancelled: threading.Event) -> Adapter:
        return RtmpAdapter(address, self._fanout.headers, house=self._house, clock=self._clock, cancelled=cancelled)

    def _call_adapter(self, chat: Chat, cancelled: threading.Event) -> Adapter:
        call_adapter = import_module("tg_video_streamer.outputs.telegram.call_adapter")
        if chat not in self._calls:
            self._calls[chat] = call_adapter.group_call(
                self._session.require, chat, clock=self._clock, as_channel=self._as_channel, refused=self._chat.lost
            )
        self.call = self._calls[chat]
        adapter: Adapter = call_adapter.CallAdapter(
            self.call,
            self._fanout.headers,
            house=self._house,
            loop=self._loop,
            clock=self._clock,
            cancelled=cancelled,
        )
        return adapter

    def went_on_air(self) -> None:
        """The handler said that media is taken."""
        self._plan.on_air()

    async def _address(self, account: Account) -> RtmpAddress:
        """Where to publish now, with a live stream there; raises TelegramRefused, SessionError."""
        now = self._clock.monotonic()
        fresh = self._asked_at is not None and now - self._asked_at < ASK_SECONDS
        if fresh and not self._ask_again and (saved := self._saved.address()) is not None:
            return saved
        address = await self._chat.ask(account, lambda chat: self._ask(account, chat))
        self._asked_at, self._ask_again = now, False
        return address

    async def _ask(self, account: Account, chat: Chat) -> RtmpAddress:
        live = self._live_in(account, chat)
        access = await live.access(revoke=self._new_key)
        if self._new_key:
            log.warning("live stream has a new key")
        self._new_key = False
        call = await self._claim.live_stream(live, self.titles.wanted)
        self._saved.save(access.url, access.key)
        self.ended.clear()
        self.stream = FoundStream(live=live, call=call)
        return access.address()

    def _live_in(self, account: Account, chat: Chat) -> LiveStream:
        if self._live is None or self._live.chat != chat:
            livestream = import_module("tg_video_streamer.telegram.livestream.livestream")
            made: LiveStream = livestream.LiveStream(account, chat)
            self._live = made
        return self._live


class SavedAddress:
    """URL and key of one chat; those of another chat do not count."""

    def __init__(self, store: TelegramState, reference: ChatReference) -> None:
        self._store = store
        self._mark = {"kind": str(reference.kind), "text": reference.text}

    def save(self, url: str, key: str) -> None:
        """Save both, as Telegram handed them out."""
        remember_secret(key)
        self._store.put(_RECORD, {**self._mark, "url": url, "key": key})

    def address(self) -> RtmpAddress | None:
        """Where to publish; None where nothing is known, or nothing that can be read."""
        record = self._store.get(_RECORD)
        if not record or any(record.get(name) != value for name, value in self._mark.items()):
            return None
        try:
            remember_secret(str(record["key"]))
            return parse_rtmp_url(f"{str(record['url']).rstrip('/')}/{record['key']}")
        except (KeyError, ConfigError):
            # The record is damaged: as if there were none.
            return None


class SessionWait:
    """For the event loop's thread."""

    def __init__(self, report: Callable[[Message | None], None]) -> None:
        """`report` gets the reason, and None at the end: see OutputHandler.waits."""
        self._report = report
        self._came = asyncio.Event()
        self._waiting = False
        self._why: Message | None = None

    def came(self) -> None:
        """There is a session."""
        self._why = None
        self._came.set()

    def went(self) -> None:
        """There is none any longer."""
        self._came.clear()

    def delayed(self, why: Message) -> None:
        """There is none yet, because of `why`; the keeper is retrying."""
        self._why = why
        self._came.clear()
        if self._waiting:
            self._report(why)

    async def over(self) -> None:
        """Return once there is one."""
        self._waiting = True
        try:
            if self._why is not None:
                self._report(self._why)
            await self._came.wait()
            self._report(None)
        finally:
            self._waiting = False
