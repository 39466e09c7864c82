"""Keeps a Telegram session: holds it, notices its end, and gets another one in degraded mode, for as long as it takes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import ConfigError, SessionAbsent, SessionEnded, SessionError, SessionUnreachable
from tg_video_streamer.events import DegradedChanged, Event, SessionRenewed
from tg_video_streamer.state_machine import StateMachine
from tg_video_streamer.telegram.session.renewal import Renewal, Renewed
from tg_video_streamer.telegram.session.state import TRANSITIONS, SessionState

if TYPE_CHECKING:
    from tg_video_streamer.telegram.client.account import Account

log = structlog.get_logger(__name__)

DEGRADED_WARNING = "Degraded mode; SESSION_STRING invalid; run: python test/auto_session_runner.py --write-env"
CYCLE_SECONDS = 60.0
UNREACHABLE_SECONDS = 10.0
"""After a cycle that only the network spoiled."""
_TOUCH_EVERY_SECONDS = 3600.0


def ending_name(error: SessionError) -> str:
    """SessionExpired, SessionRevoked …: the name of how a session ended."""
    if isinstance(error, SessionEnded):
        return "Session" + "".join(part.capitalize() for part in str(error.ending).split("_"))
    return type(error).__name__


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionUsers:
    """Those who need a session: told when it comes, and when it goes and why."""

    came: Callable[[Account], Awaitable[None]]
    went: Callable[[str], Awaitable[None]]
    awaited: Callable[[str], None] = lambda _why: None
    """Called after each cycle that only the network spoiled, with why: there is none yet, and it is tried again."""


class SessionKeeper:
    """Runs in the event loop as long as the service; the session's state, and the service's degraded flag.

    Trouble of the network is not the end of a session: it is tried again, and nothing is degraded by it. A session that
    has ended, or is not set, is: who needs one is told, and each cycle reads the settings again.
    """

    def __init__(
        self,
        *,
        renewal: Renewal,
        users: SessionUsers,
        changed: Callable[[float], Awaitable[bool]],
        clock: Clock,
        publish: Callable[[Event], None],
        command: str,
        cycle_seconds: float = CYCLE_SECONDS,
        expired: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` waits so many seconds, less where the settings file changes. `command` is this installation's own.

        `expired` is called after each cycle that found the session to have ended.
        """
        self._renewal = renewal
        self._users = users
        self._changed = changed
        self._clock = clock
        self._publish = publish
        self._command = command
        self._cycle_seconds = cycle_seconds
        self._expired = expired
        self._machine = StateMachine(TRANSITIONS, SessionState.ABSENT)
        self._account: Account | None = None
        self._ended: asyncio.Future[SessionEnded] | None = None
        self._degraded_since: float | None = None
        self._degraded_before = 0.0
        self.reason = ""
        """Why the service is degraded, for people; empty where it is not."""
        self.renewals: Counter[str] = Counter()
        """Cycles by result: session, spare, failed, unreachable."""

    @property
    def owner_id(self) -> int:
        """Whose session worked last, as Telegram's number of the user; 0 where none ever did."""
        return self._renewal.owner_id

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        return self._machine.state

    @property
    def degraded(self) -> bool:
        """Whether something that is configured needs a session and there is none."""
        return self._degraded_since is not None

    @property
    def degraded_seconds(self) -> float:
        """All degraded spells together."""
        now = self._clock.monotonic()
        return self._degraded_before + (0.0 if self._degraded_since is None else now - self._degraded_since)

    async def run(self) -> None:
        """Get a session, hold it, get the next one; until cancelled."""
        try:
            while True:
                if self._account is None:
                    await self._gain()
                else:
                    await self._hold(self._account)
        finally:
            await self._close()

    # Getting one

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
            self._machine.move(SessionState.ABSENT if absent else SessionState.EXPIRED, ending.what)
            await self._degrade(ending)
            self._expired()
            pause = self._cycle_seconds - (self._clock.monotonic() - began)
            self._tell_failure(ending, pause)
        except (SessionUnreachable, ConfigError) as trouble:
            self.renewals["unreachable"] += 1
            if self.degraded:
                self._machine.move(SessionState.EXPIRED, trouble.what)
            named = trouble.seconds if isinstance(trouble, SessionUnreachable) else 0.0
            pause = max(min(self._cycle_seconds, UNREACHABLE_SECONDS), named)
            self._users.awaited(str(trouble))
            self._tell_failure(trouble, pause)
        else:
            self._account, self._ended = renewed.account, ended
            await self._recover(renewed)
            return
        if await self._changed(max(pause, 0.0)):
            log.info("settings file changed, the session is tried at once")

    def _tell_failure(self, error: SessionError | ConfigError, pause: float) -> None:
        log.warning("session cycle failed", why=str(error), next_seconds=round(max(pause, 0.0)))

    async def _recover(self, renewed: Renewed) -> None:
        self._machine.move(SessionState.VALID)
        if self.degraded or renewed.by_spare:
            self.renewals["spare" if renewed.by_spare else "session"] += 1
            self._publish(SessionRenewed(wall=self._clock.wall(), by_spare=renewed.by_spare))
        log.info("telegram session works", by_spare=renewed.by_spare)
        await self._users.came(renewed.account)
        if self._degraded_since is not None:
            seconds = self._clock.monotonic() - self._degraded_since
            self._degraded_before += seconds
            self._degraded_since = None
            self.reason = ""
            log.info("degraded mode is over", seconds=round(seconds, 1))
            self._publish(DegradedChanged(wall=self._clock.wall(), active=False))

    # Holding it, and losing it

    async def _hold(self, account: Account) -> None:
        """Until it ends; the spare is kept alive meanwhile."""
        ended = self._ended
        assert ended is not None, "a session is held without its end"  # noqa: S101 - states what `_gain` has set
        while not (await asyncio.wait({ended}, timeout=0))[0]:
            await self._renewal.touch_spare()
            await asyncio.wait({ended}, timeout=_TOUCH_EVERY_SECONDS)
        ending = ended.result()
        self._account = self._ended = None
        self._machine.move(SessionState.EXPIRED, ending.what)
        await self._degrade(ending)
        await account.close()

    async def _degrade(self, error: SessionError) -> None:
        """Say it once, and take from their work those who need a session."""
        if self.degraded:
            self.reason = error.what
            return
        self._degraded_since = self._clock.monotonic()
        self.reason = error.what
        ending = str(error.ending) if isinstance(error, SessionEnded) else "absent"
        log.error(ending_name(error), reason=error.what, ending=ending, remedy=error.remedy)
        log.warning(DEGRADED_WARNING)
        log.warning("Degraded mode; the full command here", run=self._command)
        self._publish(DegradedChanged(wall=self._clock.wall(), active=True, ending=ending, command=self._command))
        await self._users.went(f"no Telegram session: {error.what}")

    async def _close(self) -> None:
        account, self._account = self._account, None
        if account is not None:
            await account.close()
