"""One connected Telegram account: reconnects within limits, detects an ended session, and times out each request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from telethon import TelegramClient, events
from telethon.tl.functions.updates import GetStateRequest
from telethon.tl.functions.users import GetUsersRequest
from telethon.tl.tlobject import TLRequest
from telethon.tl.types import InputUserSelf

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import (
    FloodWait,
    MessageRefused,
    SessionEnded,
    SessionRestricted,
    SessionUnreachable,
    StreamerError,
)
from tg_video_streamer.locales.message import Message
from tg_video_streamer.sighting import Sighting
from tg_video_streamer.telegram.client.boundary import answer_to_state, method_of, reading
from tg_video_streamer.telegram.client.client import make_client, make_session
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.data_centers import DataCenters
from tg_video_streamer.telegram.client.deadline import ConnectionBroke, hang_up, within
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter
from tg_video_streamer.telegram.client.waits import FloodWaits

__all__ = ["Account", "Credentials"]

log = structlog.get_logger(__name__)
OnUpdate = Callable[[Any], None]
ANSWER_SECONDS = 10.0
"""How long the heartbeat, and the first request of a new connection, wait for an answer."""
_DEFECT_SECONDS = 30.0
_STATE = method_of(GetStateRequest())


class Account:
    """One connected client; every method is for the event loop's thread.

    Telethon's own reconnects are off: one task reconnects as often as the limiter allows, and the server's answer
    separates an ended session from a broken connection. A request without an answer is sent again after a reconnect, as
    MTProto requires, or fails with SessionUnreachable at its timeout. A method that Telegram asked to wait (FLOOD_WAIT) is
    not sent before that time: FloodWait says how long.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        clock: Clock,
        limiter: ConnectionLimiter,
        ended: Callable[[SessionEnded], None],
        waits: FloodWaits | None = None,
        heartbeat_seconds: float = 30.0,
    ) -> None:
        """`ended` is called once if the session ends after `connect`; a session is asked every `heartbeat_seconds`.

        `waits` outlives the account where another one of the same session follows.
        """
        self._credentials = credentials
        self._clock = clock
        self._limiter = limiter
        self._ended = ended
        self._heartbeat_seconds = heartbeat_seconds
        self._client: TelegramClient | None = None
        self._waits = waits or FloodWaits(clock)
        self._centers = DataCenters(credentials, clock=clock, waits=self._waits)
        self._online = asyncio.Event()
        self._ending: SessionEnded | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._on_update: list[OnUpdate] = []
        self._on_restriction: Callable[[SessionRestricted | None], None] = lambda _why: None
        self.restriction: SessionRestricted | None = None
        """Why Telegram refuses the account although its session is valid; None where it does not."""
        self.user_id = 0
        self.seen_at = clock.monotonic()
        """When Telegram last answered a request of this session."""

    @property
    def online(self) -> bool:
        """Whether the connection stands now."""
        return self._online.is_set()

    @property
    def data_center(self) -> int:
        """The number of the account's data center; 0 before the first connection."""
        return int(self._client.session.dc_id) if self._client is not None else 0

    def subscribe(self, on_update: OnUpdate) -> Callable[[], None]:
        """Call `on_update` with each raw update (a Telethon TL object) from now on, after reconnections too.

        What it raises while it reads the update is logged. The returned function ends it.
        """
        self._on_update.append(on_update)

        def undo() -> None:
            if on_update in self._on_update:
                self._on_update.remove(on_update)

        return undo

    @property
    def sighting(self) -> Sighting:
        """When the session was last seen to work; without a request the heartbeat looks."""
        ago = self._clock.monotonic() - self.seen_at
        return Sighting(seconds_ago=ago, period_seconds=self._pause_seconds() + ANSWER_SECONDS)

    @property
    def watcher(self) -> asyncio.Task[None] | None:
        """What holds the connection; where it has failed, nothing reconnects. None before `connect` and after `close`."""
        return self._watcher

    def on_restriction(self, act: Callable[[SessionRestricted | None], None]) -> None:
        """Call `act` with each later change of `restriction`."""
        self._on_restriction = act

    async def connect(self, *, timeout_seconds: float = 10.0) -> None:
        """Connect and ask whether the session is valid; raises SessionEnded, SessionUnreachable, ConfigError.

        SessionRestricted, which is a SessionUnreachable: it is valid, and Telegram refuses the account.
        """
        self._session = await make_session(self._credentials)
        await self._open(timeout_seconds)
        self._watcher = asyncio.create_task(self._watch(), name="telegram account")

    async def invoke(
        self, request: TLRequest, *, timeout_seconds: float = 10.0, dc_id: int | None = None, aside: bool = False
    ) -> Any:
        """The answer to one request; raises SessionEnded, SessionUnreachable, TelegramRefused.

        `dc_id` asks another data center than the account's own, with an authorisation that its own one hands out.
        `aside` asks on a separate connection in each case: large answers must not delay those of other requests.
        """
        method = method_of(request)
        self._waits.check(method)
        deadline = self._clock.monotonic() + timeout_seconds
        sent_again = False
        while True:
            client: Any = await self._connected(deadline - self._clock.monotonic())
            if dc_id is not None and (aside or dc_id != client.session.dc_id):
                left = deadline - self._clock.monotonic()
                call = self._centers.invoke(client, dc_id, request, seconds=left)
            else:
                call = client(request)
            try:
                return await within(call, deadline - self._clock.monotonic(), broken=client.disconnected)
            except ConnectionBroke:
                # The limiter's pauses keep this from spinning, the deadline ends it. It may have been another data
                # center's connection that broke.
                if not client.is_connected() and client is self._client:
                    self._online.clear()
            except MessageRefused as refused:
                # With another number it may be taken.
                if sent_again or refused.corrected:
                    raise
                sent_again = True
            except FloodWait as wait:
                raise self._waits.asked(method, wait) from wait
            except SessionEnded as ending:
                self._finish(ending)
                raise

    async def _connected(self, seconds: float) -> TelegramClient:
        """The client once it is online; raises SessionEnded, or SessionUnreachable after `seconds`."""
        try:
            # Not wait_for, which loses a cancellation that comes at the same time as the event (Python 3.11).
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._online.wait()
        except TimeoutError:
            raise SessionUnreachable.of("telegram.not_connected") from None
        if self._ending is not None:
            raise self._ending
        if self._client is None:
            raise SessionUnreachable.of("telegram.not_connected")
        return self._client

    async def close(self) -> None:
        """Disconnect; pending requests fail with SessionUnreachable."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.wait({watcher})
        self._online.clear()
        await self._centers.close()
        await self._discard()
        if watcher is not None and not watcher.cancelled() and (defect := watcher.exception()) is not None:
            raise defect

    async def _open(self, timeout_seconds: float) -> None:
        """One attempt within the limiter's rules; raises SessionEnded, SessionUnreachable."""
        try:
            self._waits.check(_STATE)
        except FloodWait as wait:
            raise answer_to_state(wait) from wait
        pause = self._limiter.pause()
        if pause > timeout_seconds:
            raise SessionUnreachable(Message.of("telegram.too_often"), seconds=pause)
        await asyncio.sleep(pause)
        client = make_client(self._credentials, self._session)
        self._client = client
        client.add_event_handler(self._updated, events.Raw)
        self._limiter.attempt()
        try:
            self.user_id = await within(_greet(client), timeout_seconds)
        except BaseException as error:
            self._limiter.lost()
            await self._discard()
            if isinstance(error, StreamerError) and (meaning := self._meaning(error)) is not error:
                raise meaning from error
            raise
        self._limiter.connected()
        self._restrict(None)
        self._online.set()

    async def _watch(self) -> None:
        """Hold the connection until the session ends."""
        while True:
            try:
                why = await self._until_lost()
                self._online.clear()
                self._limiter.lost()
                log.warning("telegram connection lost", why=why)
                await self._discard()
                await self._reopen()
                log.info("telegram connection is back")
            except SessionEnded as ending:
                self._finish(ending)
                await self._discard()
                return
            except Exception:  # the connection must not stay down because of a defect
                log.exception("the connection to telegram could not be held; this is a defect of the program")
                await asyncio.sleep(_DEFECT_SECONDS)

    async def _until_lost(self) -> str:
        """Wait until the connection breaks, and return why; raises SessionEnded where a heartbeat fails so."""
        client = self._client
        if client is None:
            return "closed"
        broken = client.disconnected
        while not (await asyncio.wait({broken}, timeout=self._pause_seconds()))[0]:
            try:
                await within(client(GetStateRequest()), ANSWER_SECONDS)
            except StreamerError as error:
                meaning = self._meaning(error)
                if not isinstance(meaning, SessionRestricted):
                    broken.cancel()
                    if isinstance(meaning, SessionEnded):
                        raise meaning from error
                    return meaning.what
                self._restrict(meaning)
            else:
                self._restrict(None)
        # The reconnect shows why it broke, better than Telethon's background tasks do.
        cause = None if broken.cancelled() else broken.exception()
        return type(cause).__name__ if cause is not None else "closed"

    def _meaning(self, error: StreamerError) -> StreamerError:
        """What an error means while Telegram is asked whether the session works."""
        meaning = answer_to_state(self._waits.asked(_STATE, error) if isinstance(error, FloodWait) else error)
        return meaning.after(self.restriction) if isinstance(meaning, SessionRestricted) else meaning

    def _pause_seconds(self) -> float:
        """Until the next heartbeat."""
        return self._heartbeat_seconds if self.restriction is None else self.restriction.seconds

    async def _reopen(self) -> None:
        """Attempts until one works; raises SessionEnded."""
        while True:
            await asyncio.sleep(self._limiter.pause())
            try:
                await self._open(ANSWER_SECONDS)
            except SessionUnreachable as trouble:
                if isinstance(trouble, SessionRestricted):
                    self._restrict(trouble)
                log.warning("telegram cannot be reached", why=trouble.what)
                await asyncio.sleep(trouble.seconds)
            else:
                return

    def _restrict(self, why: SessionRestricted | None) -> None:
        """The account is refused because of `why`, or no longer; a change is logged and reported."""
        self.seen_at = self._clock.monotonic()
        before, self.restriction = self.restriction, why
        if (before and (before.word, before.lasts)) == (why and (why.word, why.lasts)):
            return
        if why is not None:
            log.warning("telegram restricts the account", why=why.what, remedy=why.remedy, next_seconds=why.seconds)
        else:
            log.info("telegram no longer restricts the account")
        self._on_restriction(why)

    async def _updated(self, update: Any) -> None:
        for on_update in tuple(self._on_update):
            try:
                with reading(type(update).__name__):
                    on_update(update)
            except StreamerError as trouble:
                log.warning("an update of telegram's could not be read", why=trouble.what)

    def _finish(self, ending: SessionEnded) -> None:
        """Report once that the session has ended, and release all that wait for it."""
        if self._ending is not None:
            return
        self._ending = ending
        self._online.set()
        if self._watcher is not None and self._watcher is not asyncio.current_task():
            self._watcher.cancel()
        log.error("telegram session ended", ending=str(ending.ending), why=ending.what)
        self._ended(ending)

    async def _discard(self) -> None:
        """Disconnect the present client, if there is one, and everything that Telethon runs for it."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            await hang_up(client)
        except StreamerError as trouble:
            log.warning("telegram connection closed badly", why=trouble.what)


async def _greet(client: TelegramClient) -> int:
    """Connect, ask for the state (raw, since get_me() hides a 401), and return the account's id."""
    await client.connect()
    await client(GetStateRequest())
    (user,) = await client(GetUsersRequest([InputUserSelf()]))
    return int(user.id)
