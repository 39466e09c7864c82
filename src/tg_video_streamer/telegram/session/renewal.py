"""One cycle of renewing the session: read the settings, try SESSION_STRING, promote the spare if allowed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import (
    ConfigError,
    EnvFileUnchanged,
    SessionAbsent,
    SessionEnded,
    SessionError,
    SessionRestricted,
    SessionUnreachable,
    StreamerError,
)
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.session.renewal_command import RENEW_SPARE

if TYPE_CHECKING:
    from tg_video_streamer.telegram.client.account import Account

log = structlog.get_logger(__name__)

TRIES = 3
PAUSES = Backoff(first=1.0, longest=10.0)
PROMOTION_SECONDS = 24 * 3600.0
"""The shortest time between two promotions: two sessions that end within a day are no accident."""
TOUCH_SECONDS = 24 * 3600.0
_SPARE = "spare"

Ended = Callable[[SessionEnded], None]
Connect = Callable[[Credentials, Ended], Awaitable["Account"]]
"""A connected account; raises SessionEnded, SessionUnreachable, ConfigError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionSettings:
    """The session settings as the file has them now."""

    credentials: Credentials
    spare: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Renewed:
    """A session that works."""

    account: Account
    by_spare: bool


class Renewal:
    """Gets a working session without a person; for the event loop's thread."""

    def __init__(
        self,
        *,
        read: Callable[[], SessionSettings],
        write: Callable[[Mapping[str, str | None]], None] | None,
        connect: Connect,
        store: TelegramState,
        clock: Clock,
        notify: Callable[..., None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`read` and `write` work on the settings file, in a thread; without `write` no spare is promoted.

        `notify` is `Notifier.notify`.
        """
        self._read = read
        self._write = write
        self._connect = connect
        self._store = store
        self._clock = clock
        self._notify = notify
        self._sleep = sleep
        self._settings: SessionSettings | None = None

    async def cycle(self, ended: Ended) -> Renewed:
        """At most three tries with growing pauses; raises the last try's SessionError or ConfigError.

        `ended` is called if the session that was gained ends later.
        """
        for number in range(1, TRIES + 1):
            try:
                return await self._try(ended)
            except SessionAbsent:
                # There is nothing to try.
                raise
            except (SessionError, ConfigError) as error:
                log.info("session try failed", number=number, of=TRIES, why=str(error))
                if number == TRIES or (isinstance(error, SessionUnreachable) and error.seconds > 0):
                    # The last one; or Telegram has said when the next one is due.
                    raise
            await self._sleep(PAUSES.pause(number))
        raise AssertionError("a cycle has a last try")

    async def _try(self, ended: Ended) -> Renewed:
        settings = await asyncio.to_thread(self._read)
        self._settings = settings
        if not settings.credentials.session:
            raise SessionAbsent.of("telegram.no_string")
        try:
            account = await self._connect(settings.credentials, ended)
        except SessionEnded as ending:
            return await self._promoted(settings, ending, ended)
        self._store.owner_id = account.user_id
        return Renewed(account=account, by_spare=False)

    # Promoting the spare

    async def _promoted(self, settings: SessionSettings, ending: SessionEnded, ended: Ended) -> Renewed:
        """The spare as the session; raises `ending` where that may not or cannot be."""
        if not settings.spare or settings.spare == settings.credentials.session:
            raise ending
        if (why := self._forbidden()) or self._write is None:
            log.warning("the spare session is not used", why=why or "there is no settings file to write it to")
            raise ending
        try:
            account = await self._connect(replace(settings.credentials, session=settings.spare), ended)
        except (SessionEnded, SessionRestricted) as second:
            log.warning("the spare session does not work either", why=second.what)
            raise ending from second
        if account.user_id != self._store.owner_id:
            await account.close()
            self._report_spare(Message.of("alert.spare.other_account", command=RENEW_SPARE))
            raise ending
        try:
            await self._written(settings)
        except (ConfigError, EnvFileUnchanged) as error:
            await account.close()
            raise SessionUnreachable.of("telegram.spare_not_written", problem=error.full_message) from error
        return Renewed(account=account, by_spare=True)

    def _forbidden(self) -> str:
        """Why no spare may be promoted now; empty where it may."""
        if not self._store.owner_id:
            return "the account of SESSION_STRING was never seen, so the spare's cannot be compared with it"
        promoted = self._store.get(_SPARE).get("promoted_wall")
        # A clock that was set back makes the difference negative.
        if isinstance(promoted, int | float) and abs(self._clock.wall() - promoted) < PROMOTION_SECONDS:
            return "a spare was promoted less than 24 hours ago"
        return ""

    async def _written(self, settings: SessionSettings) -> None:
        """Make the spare SESSION_STRING in the file, unless the file got a new one meanwhile."""
        write = self._write
        if write is None or (await asyncio.to_thread(self._read)).credentials.session != settings.credentials.session:
            raise ConfigError(["SESSION_STRING was changed meanwhile"])
        # An empty value, and not none: the environment may still hold the old one.
        await asyncio.to_thread(write, {"SESSION_STRING": settings.spare, "SESSION_STRING_SPARE": ""})
        self._store.put(_SPARE, {**self._store.get(_SPARE), "promoted_wall": self._clock.wall()})
        log.warning("the spare session was promoted: it is SESSION_STRING now", remedy=f"run: {RENEW_SPARE}")

    # Using the spare

    async def touch_spare(self) -> None:
        """Use the spare once a day, so that Telegram does not expire it; send an alert where it is unusable."""
        settings = self._settings
        if settings is None or not settings.spare:
            return
        record = self._store.get(_SPARE)
        mark = hashlib.sha256(settings.spare.encode()).hexdigest()[:16]
        now = self._clock.wall()
        touched = record.get("touched_wall")
        seconds = abs(now - touched) if isinstance(touched, int | float) else TOUCH_SECONDS
        if record.get("mark") == mark and seconds < TOUCH_SECONDS:
            return
        try:
            account = await self._connect(replace(settings.credentials, session=settings.spare), _ignored)
        except SessionUnreachable as trouble:
            log.info("the spare session could not be tried", why=trouble.what)
            return
        except StreamerError as refusal:
            self._report_spare(Message.of("alert.spare.unusable", reason=refusal.what, command=RENEW_SPARE))
        else:
            same = account.user_id == self._store.owner_id
            await account.close()
            if not same:
                self._report_spare(Message.of("alert.spare.other_account", command=RENEW_SPARE))
            else:
                log.info("the spare session works")
        self._store.put(_SPARE, {**record, "mark": mark, "touched_wall": now})

    def report(self, message: Message, *, topic: str) -> None:
        """Send a message to people."""
        self._notify(message, topic=topic)

    def _report_spare(self, message: Message) -> None:
        log.warning(message.text)
        self.report(message, topic="spare")


def _ignored(_ending: SessionEnded) -> None:
    """Ignore the end of a session that is used for a moment only."""
