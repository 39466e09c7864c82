"""Logs in from the web page: one login at a time, saved to the settings file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.errors import ControlError, SessionError, StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.state_machine import StateMachine
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.client.waits import FloodWaits
from tg_video_streamer.telegram.session.web_login_state import ASKING, RESTING, TRANSITIONS, WebLoginState, WebLoginStep

if TYPE_CHECKING:
    from tg_video_streamer.telegram.session.login import NewSession

log = structlog.get_logger(__name__)

LOGIN_SECONDS = 600.0
"""How long a login may take in all, as long as codes to be scanned are shown."""


class WebLogin:
    """Runs in the event loop as long as the service. All methods but `run` return at once."""

    def __init__(
        self,
        *,
        credentials: Callable[[], Credentials],
        write: Callable[[Mapping[str, str | None]], None] | None,
        store: TelegramState,
        clock: Clock,
        login_seconds: float = LOGIN_SECONDS,
    ) -> None:
        """`credentials` and `write` use the settings file, in a thread; without `write` there is no file.

        `store` knows which account was logged in before.
        """
        self._credentials = credentials
        self._write = write
        self._store = store
        self._clock = clock
        self._login_seconds = login_seconds
        self._waits = FloodWaits(clock)
        self._machine = StateMachine(TRANSITIONS, WebLoginStep.IDLE)
        self._state = WebLoginState(step=WebLoginStep.IDLE)
        self._wanted: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._answer: asyncio.Future[str] | None = None
        self._login: asyncio.Task[None] | None = None

    @property
    def state(self) -> WebLoginState:
        """The step that the page shows now."""
        return self._state

    def begin_qr(self, by: str) -> None:
        """Begin a login by a QR code; `by` is the caller, for the log. Raises ControlError."""
        self._begin("", by)

    def begin_phone(self, phone: str, by: str) -> None:
        """Begin a login by phone number and code. Raises ControlError."""
        if not phone.strip():
            raise ControlError.of("login.no_phone")
        self._begin(phone, by)

    def answer(self, step: WebLoginStep, text: str) -> None:
        """Answer what `step` asks: the phone number, the code, the password, or `yes` to another account.

        Raises ControlError where the login is not, or no longer, in that step.
        """
        answer = self._answer
        if answer is None or answer.done() or step is not self._state.step:
            raise ControlError.of("login.not_asked")
        answer.set_result(text.strip())

    def cancel(self) -> None:
        """Give the login up, unless it is being saved; a session that it has made already is ended at Telegram."""
        if self._login is not None and self._state.step is not WebLoginStep.SAVING:
            self._login.cancel()

    async def run(self) -> None:
        """Carry out one login after the other, until cancelled. Each run begins without a login."""
        while True:
            phone, by = await self._wanted.get()
            try:
                async with asyncio.TaskGroup() as tasks:
                    self._login = tasks.create_task(self._log_in(phone, by), name="web login")
            finally:
                self._login = None
                self._rest()

    def _rest(self) -> None:
        """After a login that ended in no way of its own, the next one can begin."""
        if self._state.step not in RESTING:
            self._machine = StateMachine(TRANSITIONS, WebLoginStep.FAILED)
            self._state = WebLoginState(step=WebLoginStep.FAILED, message=Message.of("login.broke_off"))

    def _begin(self, phone: str, by: str) -> None:
        if self._write is None:
            raise ControlError.of("login.no_file")
        if self._state.step not in RESTING:
            raise ControlError.of("login.running")
        self._move(WebLoginStep.STARTING)
        self._wanted.put_nowait((phone, by))

    async def _log_in(self, phone: str, by: str) -> None:
        log.info("web login started", by=by, way="phone" if phone else "qr")
        try:
            async with asyncio.timeout(self._login_seconds) as limit:
                account = await self._renewed(phone, limit)
        except TimeoutError:
            self._fail(Message.of("login.too_slow", seconds=self._login_seconds))
        except StreamerError as error:
            self._fail(error.full_message)
        except asyncio.CancelledError:
            self._move(WebLoginStep.IDLE)
            log.info("web login canceled", by=by)
            raise
        else:
            self._move(WebLoginStep.DONE, account=account, message=Message.of("login.saved"))
            log.info("web login done", by=by)

    async def _renewed(self, phone: str, limit: asyncio.Timeout) -> Message:
        """Log in and save the session; returns the masked account. Raises StreamerError."""
        login = await asyncio.to_thread(import_module, "tg_video_streamer.telegram.session.login")
        credentials = await asyncio.to_thread(self._credentials)
        prompts = _WebLoginPrompts(self, phone)
        known = replace(credentials, session="")
        async with login.logged_in(known, prompts, clock=self._clock, qr=not phone, waits=self._waits) as made:
            account = masked_account(made)
            if self._store.owner_id not in {0, made.user_id}:
                message = Message.of("login.other_account")
                if await self.ask(WebLoginStep.CONFIRM, account=account, message=message) != "yes":
                    raise SessionError.of("login.not_saved")
            # No timeout from here on: a session that is in the file must not be ended.
            limit.reschedule(None)
            self._move(WebLoginStep.SAVING, account=account)
            remember_secret(made.string)
            assert self._write is not None, "a login began without a file"  # noqa: S101 - states what `_begin` asks
            await asyncio.to_thread(self._write, {"SESSION_STRING": made.string})
        return account

    async def ask(
        self,
        step: WebLoginStep,
        *,
        hint: Message | None = None,
        message: Message | None = None,
        account: Message | None = None,
    ) -> str:
        """Show `step` and wait for its answer."""
        assert step in ASKING, "only some steps have an answer"  # noqa: S101 - a defect of ours
        self._move(step, hint=hint, message=message, account=account)
        self._answer = asyncio.get_running_loop().create_future()
        try:
            return await self._answer
        finally:
            self._answer = None

    def show(self, url: str) -> None:
        """Show a QR code in the place of the one before."""
        remember_secret(url)
        self._move(WebLoginStep.QR, qr_url=url)

    def _fail(self, why: Message) -> None:
        self._move(WebLoginStep.FAILED, message=why)
        log.warning("web login failed", why=str(why))

    def _move(self, step: WebLoginStep, **shown: Any) -> None:
        self._machine.move(step)
        self._state = WebLoginState(step=step, **shown)


class _WebLoginPrompts:
    """Implements `login.Prompts` on the web page."""

    def __init__(self, login: WebLogin, phone: str) -> None:
        self._login = login
        self._phone = phone

    async def phone(self, wrong: Message | None) -> str:
        """See Prompts; the first number came with the request to log in."""
        phone, self._phone = self._phone, ""
        return phone or await self._login.ask(WebLoginStep.PHONE, message=wrong)

    async def code(self, way: Message, wrong: Message | None) -> str:
        """See Prompts."""
        return await self._login.ask(WebLoginStep.CODE, hint=way, message=wrong)

    async def password(self, hint: str, wrong: Message | None) -> str:
        """See Prompts."""
        return await self._login.ask(WebLoginStep.PASSWORD, hint=Message.raw(hint) if hint else None, message=wrong)

    def show(self, url: str) -> None:
        """See Prompts."""
        self._login.show(url)

    def inform(self, text: str | Message) -> None:
        """See Prompts."""
        log.info("web login", message=str(text))


def masked_account(made: NewSession) -> Message:
    """The account in a form that only its owner recognizes: `J… D…, number …4321`."""
    name = " ".join(f"{word[0]}…" for word in DisplayText(made.name).split()) or Message.of("login.no_name")
    return Message.of("login.account", name=name, digits=str(made.user_id)[-4:])
