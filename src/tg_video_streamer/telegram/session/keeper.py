"""Owns the logged-in account: holds its session, publishes its end, and renews it in degraded mode."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import (
    ConfigError,
    SessionAbsent,
    SessionEnded,
    SessionError,
    SessionRestricted,
    SessionUnreachable,
)
from tg_video_streamer.events import DegradedChanged, Event, SessionRenewed
from tg_video_streamer.locales.message import Message
from tg_video_streamer.sighting import Sighting
from tg_video_streamer.state_machine import StateMachine
from tg_video_streamer.telegram.session.renewal import Renewal, Renewed
from tg_video_streamer.telegram.session.state import TRANSITIONS, SessionState

if TYPE_CHECKING:
    from tg_video_streamer.telegram.client.account import Account

log = structlog.get_logger(__name__)

DEGRADED_WARNING = "Degraded mode; SESSION_STRING invalid; run: python test/auto_session_runner.py --write-env"
CYCLE_SECONDS = 60.0
UNREACHABLE_SECONDS = 10.0
"""After a cycle that only the network broke."""
_TOUCH_EVERY_SECONDS = 3600.0
_REPORTED_SECONDS = 300.0
"""A shorter restriction ends before anyone can act."""


def ending_name(error: SessionError) -> str:
    """SessionExpired, SessionRevoked …: the name of how a session ended."""
    return "".join(part.capitalize() for part in error.reason.split("_"))


NO_SESSION = Message.of("telegram.no_session")


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionChange:
    """The account that is logged in now, or why there is none."""

    account: Account | None = None
    why: Message = NO_SESSION
    retrying: bool = False
    """Only the network is in the way, and the keeper tries again soon."""


Subscriber = Callable[[SessionChange], Awaitable[None]]


class SessionKeeper:
    """The one owner of `account`, of the session's state and of degraded mode; runs in the event loop.

    A network failure does not end a session: the keeper retries, and nothing is degraded. A session that has ended, or is
    not set, starts degraded mode: subscribers are notified, and each cycle reads the settings again. A session that
    Telegram restricts is neither: what is on air stays, and Telegram is asked again as slowly as it wants.
    """

    def __init__(
        self,
        *,
        renewal: Renewal,
        changed: Callable[[float], Awaitable[bool]],
        clock: Clock,
        publish: Callable[[Event], None],
        command: str,
        cycle_seconds: float = CYCLE_SECONDS,
        expired: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` waits so many seconds, less where the settings file changes. `command` renews the session here.

        `expired` is called after each cycle that found the session to have ended.
        """
        self._renewal = renewal
        self._changed = changed
        self._clock = clock
        self._publish = publish
        self._command = command
        self._cycle_seconds = cycle_seconds
        self._expired = expired
        self._machine = StateMachine(TRANSITIONS, SessionState.ABSENT)
        self._subscribers: list[Subscriber] = []
        self._account: Account | None = None
        self._ended: asyncio.Future[SessionEnded] | None = None
        self._degraded_since: float | None = None
        self._degraded_before = 0.0
        self.reason: Message | None = None
        """Why the service is degraded, None where it is not."""
        self.restriction: SessionRestricted | None = None
        """Why Telegram refuses the account although its session is valid; None where it does not."""
        self.renewals: Counter[str] = Counter()
        """Cycles by result: session, spare, failed, restricted, unreachable."""

    @property
    def account(self) -> Account | None:
        """The account that is logged in; None in degraded mode and before the first login."""
        return self._account

    def require(self) -> Account:
        """The account. Raises SessionUnreachable where there is none."""
        if self._account is None:
            raise SessionUnreachable(NO_SESSION)
        return self._account

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Await `subscriber` with each later change, a loss in reverse order; the returned function unsubscribes."""
        self._subscribers.append(subscriber)
        return partial(self._subscribers.remove, subscriber)

    async def _notify(self, change: SessionChange) -> None:
        order = self._subscribers if change.account is not None else reversed(self._subscribers)
        for subscriber in tuple(order):
            try:
                await subscriber(change)
            except Exception:
                # The others must know, and the session is none the worse for it.
                log.exception("a subscriber of the session failed; this is a defect of the program")

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        return self._machine.state

    def warnings(self) -> list[Message]:
        """What people must know of a restriction."""
        return [] if self.restriction is None else [self.restriction.full_message]

    @property
    def sighting(self) -> Sighting | None:
        """When the session was last seen to work; None while there is none."""
        return self._account.sighting if self._account is not None else None

    @property
    def degraded(self) -> bool:
        """Whether something that is configured needs a session and there is none."""
        return self._degraded_since is not None

    @property
    def degraded_seconds(self) -> float:
        """The time in degraded mode so far, in all."""
        now = self._clock.monotonic()
        return self._degraded_before + (0.0 if self._degraded_since is None else now - self._degraded_since)

    async def run(self) -> None:
        """Log in, hold the session, renew it; until cancelled. Each run begins without an account."""
        self._machine = StateMachine(TRANSITIONS, SessionState.ABSENT)
        self._ended = self.restriction = None
        try:
            while True:
                if self._account is None:
                    await self._gain()
                else:
                    await self._hold(self._account)
        finally:
            await self._close()

    # Logging in

    async def _gain(self) -> None:
        """One cycle, and the wait after one that failed."""
        began = self._clock.monotonic()
        self._machine.move(SessionState.RENEWING)
        ended: asyncio.Future[SessionEnded] = asyncio.get_running_loop().create_future()
        try:
            renewed = await self._renewal.cycle(lambda ending: None if ended.done() else ended.set_result(ending))
        except (SessionAbsent, SessionEnded) as ending:
            self.renewals["failed"] += 1
            absent = isinstance(ending, SessionAbsent)
            self.restriction = None
            self._machine.move(SessionState.ABSENT if absent else SessionState.EXPIRED, ending.what)
            await self._degrade(ending)
            self._expired()
            pause = self._cycle_seconds - (self._clock.monotonic() - began)
            self._log_failure(ending, pause)
        except SessionRestricted as refusal:
            restriction = refusal.after(self.restriction)
            self.renewals["restricted"] += 1
            self._restricted(restriction)
            if self.degraded:
                self.reason = restriction.message
            pause = restriction.seconds
            await self._notify(SessionChange(why=restriction.full_message, retrying=True))
            self._log_failure(restriction, pause)
        except (SessionUnreachable, ConfigError) as trouble:
            self.renewals["unreachable"] += 1
            if self.degraded:
                self._machine.move(SessionState.EXPIRED, trouble.what)
            named = trouble.seconds if isinstance(trouble, SessionUnreachable) else 0.0
            pause = max(min(self._cycle_seconds, UNREACHABLE_SECONDS), named)
            await self._notify(SessionChange(why=trouble.full_message, retrying=True))
            self._log_failure(trouble, pause)
        else:
            self._account, self._ended = renewed.account, ended
            await self._recover(renewed)
            return
        if await self._changed(max(pause, 0.0)):
            log.info("settings file changed, the session is tried at once")

    def _log_failure(self, error: SessionError | ConfigError, pause: float) -> None:
        log.warning("session cycle failed", why=str(error), next_seconds=round(max(pause, 0.0)))

    def _restricted(self, restriction: SessionRestricted | None) -> None:
        """Telegram restricts the account, or no longer; a restriction that is not over soon is reported to people."""
        before, self.restriction = self.restriction, restriction
        new = before is None or not before.lasts
        if restriction is not None and new and restriction.seconds >= _REPORTED_SECONDS:
            self._renewal.report(restriction.full_message, topic="session")
        self._machine.move(
            SessionState.VALID if restriction is None else SessionState.RESTRICTED, str(restriction or "")
        )

    async def _recover(self, renewed: Renewed) -> None:
        self._restricted(None)
        renewed.account.on_restriction(self._restricted)
        if self.degraded or renewed.by_spare:
            self.renewals["spare" if renewed.by_spare else "session"] += 1
            self._publish(SessionRenewed(wall=self._clock.wall(), by_spare=renewed.by_spare))
        log.info("telegram session works", by_spare=renewed.by_spare)
        await self._notify(SessionChange(account=renewed.account))
        if self._degraded_since is not None:
            seconds = self._clock.monotonic() - self._degraded_since
            self._degraded_before += seconds
            self._degraded_since = None
            self.reason = None
            log.info("degraded mode is over", seconds=round(seconds, 1))
            self._publish(DegradedChanged(wall=self._clock.wall(), active=False))

    # Holding the session, and losing it

    async def _hold(self, account: Account) -> None:
        """Wait for its end; use the spare now and then, so that Telegram does not expire it."""
        ended, watcher = self._ended, account.watcher
        assert ended is not None, "a session is held without its end"  # noqa: S101 - states what `_gain` has set
        assert watcher is not None, "an account is held that is not connected"  # noqa: S101 - the same
        either: set[asyncio.Future[Any]] = {ended, watcher}
        await asyncio.wait(either, timeout=0)
        while not ended.done():
            if watcher.done():
                raise _watcher_error(watcher)
            await self._touch_spare()
            await asyncio.wait(either, timeout=_TOUCH_EVERY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        ending = ended.result()
        self._account = self._ended = self.restriction = None
        self._machine.move(SessionState.EXPIRED, ending.what)
        await self._degrade(ending)
        await account.close()

    async def _touch_spare(self) -> None:
        """The session that works does not depend on the spare, whatever comes of a look at it."""
        try:
            await self._renewal.touch_spare()
        except Exception:
            log.exception("the spare session could not be tried; this is a defect of the program")

    async def _degrade(self, error: SessionError) -> None:
        """Enter degraded mode: log and publish it once, and notify subscribers."""
        if self.degraded:
            self.reason = error.message
            return
        self._degraded_since = self._clock.monotonic()
        self.reason = error.message
        ending = str(error.ending) if isinstance(error, SessionEnded) else "absent"
        log.error(ending_name(error), reason=error.what, ending=ending, remedy=error.remedy)
        log.warning(DEGRADED_WARNING)
        log.warning("Degraded mode; the full command here", run=self._command)
        self._publish(DegradedChanged(wall=self._clock.wall(), active=True, ending=ending, command=self._command))
        await self._notify(SessionChange(why=Message.of("telegram.session_missing", problem=error.message)))

    async def _close(self) -> None:
        """End what a run holds; where it is not the service's end, those who use the account wait for the next one."""
        account, self._account = self._account, None
        self.restriction = None
        self._machine = StateMachine(TRANSITIONS, SessionState.RENEWING)
        await self._notify(SessionChange(why=NO_SESSION, retrying=True))
        if account is not None:
            # What it says while it is closed is no word on the next one.
            account.on_restriction(lambda _why: None)
            await account.close()


def _watcher_error(watcher: asyncio.Task[None]) -> BaseException:
    """Why an account is no longer watched, though its session has not ended."""
    error = None if watcher.cancelled() else watcher.exception()
    return error or RuntimeError("the connection to Telegram is no longer watched")
