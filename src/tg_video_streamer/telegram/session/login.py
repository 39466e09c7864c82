"""Makes a new session: by phone number, code and password, or by a QR code."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from telethon import TelegramClient, events, password
from telethon.tl import functions, types
from telethon.tl.tlobject import TLRequest

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import (
    AnswerUnreadable,
    FloodWait,
    SessionEnded,
    SessionError,
    SessionUnreachable,
    StreamerError,
    TelegramRefused,
)
from tg_video_streamer.locales.message import Message
from tg_video_streamer.secrets import remember_secret
from tg_video_streamer.telegram.answers.login import AUTHORIZATION, LOGIN_TOKEN, SENT_CODE
from tg_video_streamer.telegram.client.boundary import answer_to_login, method_of
from tg_video_streamer.telegram.client.client import KEY_RETRIES, make_client, make_session
from tg_video_streamer.telegram.client.credentials import Credentials
from tg_video_streamer.telegram.client.deadline import ConnectionBroke, hang_up, within
from tg_video_streamer.telegram.client.waits import FloodWaits

ANSWER_SECONDS = 20.0

SCAN_SECONDS = 600.0
"""How long QR codes are shown before the login gives up."""
NEXT_CODE_SECONDS = 1.0
"""Before another QR code, where Telegram refused the last one."""
TRIES = 5
"""How many wrong answers are allowed; Telegram itself gives up at about as many."""
RESEND = "r"
"""What is typed instead of a code, for another one."""

_WAYS: Final = {
    "SentCodeTypeApp": "login.code_in_app",
    "SentCodeTypeSms": "login.code_by_sms",
    "SentCodeTypeSmsWord": "login.code_by_sms_word",
    "SentCodeTypeSmsPhrase": "login.code_by_sms_phrase",
    "SentCodeTypeCall": "login.code_by_call",
    "SentCodeTypeFlashCall": "login.code_by_flash_call",
    "SentCodeTypeMissedCall": "login.code_by_missed_call",
    "SentCodeTypeEmailCode": "login.code_by_email",
    "SentCodeTypeFragmentSms": "login.code_at_fragment",
    "SentCodeTypeFirebaseSms": "login.code_by_sms",
}


class Prompts(Protocol):
    """The person who logs in; `wrong` says why the last answer was not accepted."""

    async def phone(self, wrong: Message | None) -> str:
        """The phone number of the account."""

    async def code(self, way: Message, wrong: Message | None) -> str:
        """The code that came by `way`, or RESEND."""

    async def password(self, hint: str, wrong: Message | None) -> str:
        """The password of the two-step verification, which is not shown."""

    def show(self, url: str) -> None:
        """Draw `url` as a QR code, in the place of the one before."""

    def inform(self, text: str | Message) -> None:
        """Show a message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSession:
    """What a login made."""

    string: str = field(repr=False)
    """In Telethon's format."""
    user_id: int
    name: str
    data_center: int


@asynccontextmanager
async def logged_in(
    credentials: Credentials,
    prompts: Prompts,
    *,
    clock: Clock,
    qr: bool = False,
    waits: FloodWaits | None = None,
) -> AsyncIterator[NewSession]:
    """Log in and yield the session; where the block fails, the session is ended at Telegram too.

    Raises SessionError, TelegramRefused, ConfigError. Nothing of it is ever on a disk. `waits` are those of earlier logins.
    """
    session = await make_session(replace(credentials, session=""))
    line = LoginConnection(credentials, session, prompts.inform, waits or FloodWaits(clock))
    try:
        user = await _user(line, prompts, clock, qr=qr)
        try:
            yield NewSession(
                string=line.session_string,
                user_id=int(user.id),
                name=" ".join(filter(None, (user.first_name, user.last_name))),
                data_center=line.data_center,
            )
        except BaseException:
            await line.log_out()
            raise
    finally:
        await line.close()


_PASSWORD_NEEDED: Final = "SESSION_PASSWORD_NEEDED"  # noqa: S105 - Telegram's word
_OLDER: Final = ("INPUT_METHOD_INVALID", "INPUT_CONSTRUCTOR_INVALID", "INPUT_LAYER_INVALID", "CONNECTION_LAYER_INVALID")
"""How a server refuses requests of a layer that it does not know."""
_WRONG_CODE: Final = frozenset({"PHONE_CODE_INVALID", "PHONE_CODE_EMPTY", "CODE_INVALID", "EMAIL_TOKEN_INVALID"})
_EXPIRED_CODE: Final = frozenset({"PHONE_CODE_EXPIRED", "EMAIL_VERIFY_EXPIRED"})
_TOKEN: Final = "AUTH_TOKEN_"  # noqa: S105 - the same
"""How the words about a QR code begin: it expired, or was taken by another login."""


async def _user(line: LoginConnection, prompts: Prompts, clock: Clock, *, qr: bool) -> Any:
    """The user who logged in; a server whose answers cannot be read keeps no session.

    Raises SessionError, TelegramRefused.
    """
    try:
        return await (_by_qr(line, prompts, clock) if qr else _by_phone(line, prompts))
    except AnswerUnreadable as error:
        await line.log_out()
        raise SessionError.of("session_error.older_server", problem=error.message) from error
    except TelegramRefused as refused:
        if not refused.word.startswith(_OLDER):
            raise
        await line.log_out()
        raise SessionError.of("session_error.older_server", problem=refused.message) from refused


async def _by_phone(line: LoginConnection, prompts: Prompts) -> Any:
    """The user, after phone number, code and perhaps password."""
    phone, sent = await _code_sent(line, prompts)
    wrong: Message | None = None
    for _ in range(TRIES):
        code = await prompts.code(_way(sent), wrong)
        while code.lower() == RESEND:
            sent, wrong = await _sent_again(line, phone, sent)
            code = await prompts.code(_way(sent), wrong)
        try:
            return AUTHORIZATION.read(await line.ask(_sign_in(phone, sent, code)))
        except TelegramRefused as refused:
            if refused.word in _EXPIRED_CODE:
                sent, wrong = await _send(line, phone), Message.of("login.code_expired")
            elif refused.word in _WRONG_CODE:
                wrong = Message.of("login.wrong_code")
            elif refused.word == _PASSWORD_NEEDED:
                return await _with_password(line, prompts)
            else:
                raise refused.with_remedy(f"login_refusal.{refused.word.lower()}") from refused
    raise SessionError.of("session_error.wrong_codes", count=TRIES)


def _sign_in(phone: str, sent: Any, code: str) -> TLRequest:
    """The request with a code, which goes to another place where it came by e-mail."""
    if isinstance(sent.type, types.auth.SentCodeTypeEmailCode):
        verification = types.EmailVerificationCode(code)
        return functions.auth.SignInRequest(phone, sent.phone_code_hash, email_verification=verification)
    return functions.auth.SignInRequest(phone, sent.phone_code_hash, code)


async def _code_sent(line: LoginConnection, prompts: Prompts) -> tuple[str, Any]:
    """The phone number, and Telegram's word that a code is on its way to it."""
    wrong: Message | None = None
    for _ in range(TRIES):
        phone = re.sub(r"\D", "", await prompts.phone(wrong))
        if not phone:
            wrong = Message.of("login.phone_format")
            continue
        try:
            return phone, await _send(line, phone)
        except TelegramRefused as refused:
            if refused.word != "PHONE_NUMBER_INVALID":
                raise refused.with_remedy(f"login_refusal.{refused.word.lower()}") from refused
            wrong = Message.of("login.phone_unknown")
    raise SessionError.of("session_error.unknown_phone")


async def _send(line: LoginConnection, phone: str) -> Any:
    """A new code."""
    known = line.credentials
    settings = types.CodeSettings()
    return SENT_CODE.read(
        await line.begin(functions.auth.SendCodeRequest(phone, known.api_id, known.api_hash, settings))
    )


async def _sent_again(line: LoginConnection, phone: str, sent: Any) -> tuple[Any, Message | None]:
    """The code by another way where there is one; else the same, and a word about it."""
    try:
        return SENT_CODE.read(await line.ask(functions.auth.ResendCodeRequest(phone, sent.phone_code_hash))), None
    except TelegramRefused as refused:
        if refused.word == "PHONE_CODE_EXPIRED":
            return await _send(line, phone), None
        if refused.word == "SEND_CODE_UNAVAILABLE":
            return sent, Message.of("login.no_other_way")
        raise refused.with_remedy(f"login_refusal.{refused.word.lower()}") from refused


def _way(sent: Any) -> Message:
    """How the code comes, with the place where Telegram names one."""
    if address := getattr(sent.type, "email_pattern", None) or "":
        return Message.of("login.code_by_email_to", address=address)
    if address := getattr(sent.type, "url", None) or "":
        return Message.of("login.code_at", address=address)
    return Message.of(_WAYS.get(type(sent.type).__name__, "login.code_from_telegram"))


async def _with_password(line: LoginConnection, prompts: Prompts) -> Any:
    """The user, after the password; of which Telegram gets an SRP check only; it is stored nowhere."""
    wrong: Message | None = None
    for _ in range(TRIES):
        asked = await line.ask(functions.account.GetPasswordRequest())
        typed = await prompts.password(asked.hint or "", wrong)
        try:
            proof = password.compute_check(asked, typed)
        except ValueError:
            raise SessionError.of("session_error.password_check") from None
        try:
            return AUTHORIZATION.read(await line.ask(functions.auth.CheckPasswordRequest(proof)))
        except TelegramRefused as refused:
            if refused.word not in {"PASSWORD_HASH_INVALID", "SRP_ID_INVALID"}:
                raise refused.with_remedy(f"login_refusal.{refused.word.lower()}") from refused
            wrong = Message.of("login.wrong_password")
    raise SessionError.of("session_error.wrong_passwords", count=TRIES)


async def _by_qr(line: LoginConnection, prompts: Prompts, clock: Clock) -> Any:
    """The user, after a scan (https://core.telegram.org/api/qr-login)."""
    known = line.credentials
    deadline = clock.monotonic() + SCAN_SECONDS
    while clock.monotonic() < deadline:
        line.scanned.clear()
        try:
            request = functions.auth.ExportLoginTokenRequest(known.api_id, known.api_hash, [])
            step = LOGIN_TOKEN.read(await line.ask(request))
            if step.move_to:
                await line.move_to(step.move_to)
                step = LOGIN_TOKEN.read(await line.ask(functions.auth.ImportLoginTokenRequest(step.token)))
        except TelegramRefused as refused:
            if refused.word == _PASSWORD_NEEDED:
                return await _with_password(line, prompts)
            if not refused.word.startswith(_TOKEN):
                raise refused.with_remedy(f"login_refusal.{refused.word.lower()}") from refused
            # That code is over: the next one is drawn.
            await asyncio.sleep(NEXT_CODE_SECONDS)
            continue
        if step.user is not None:
            return step.user
        prompts.show(f"tg://login?token={base64.urlsafe_b64encode(step.token).decode().rstrip('=')}")
        await line.wait_for_scan(token_seconds(step.expires_wall - clock.wall()))
    raise SessionError.of("session_error.not_scanned", seconds=SCAN_SECONDS)


def token_seconds(by_our_clock: float) -> float:
    """How long a QR code is shown; one of the two clocks is wrong where it is not about Telegram's 30 s."""
    return by_our_clock if 5.0 <= by_our_clock <= 60.0 else 25.0


class LoginConnection:
    """The connection of one login; it reconnects where it broke while the person was typing."""

    def __init__(
        self, credentials: Credentials, session: Any, inform: Callable[[str | Message], None], waits: FloodWaits
    ) -> None:
        """`session` is an empty one in memory; `inform` shows a message to the person."""
        self.credentials = credentials
        self._waits = waits
        self._client: TelegramClient = make_client(credentials, session, retries=KEY_RETRIES, may_move=True)
        self._inform = inform
        self.scanned = asyncio.Event()
        self._client.add_event_handler(self._on_scanned, events.Raw(types.UpdateLoginToken))

    @property
    def session_string(self) -> str:
        """What has been logged in so far, in Telethon's format."""
        string = str(self._client.session.save())
        remember_secret(string)
        return string

    @property
    def data_center(self) -> int:
        """Where the connection leads."""
        return int(self._client.session.dc_id)

    async def ask(self, request: TLRequest) -> Any:
        """The answer; raises SessionError, TelegramRefused with Telethon's own error as the cause.

        A request whose connection breaks is sent once more: where the first had arrived, Telegram says so.
        """
        try:
            return await self._sent(request, broken=True)
        except ConnectionBroke:
            return await self._sent(request)

    async def begin(self, request: TLRequest) -> Any:
        """The answer to a request that may lead to another data center, which breaks the connection on purpose."""
        return await self._sent(request)

    async def move_to(self, data_center: int) -> None:
        """Go to another data center, with a new key."""
        await within(self._client._switch_dc(data_center), ANSWER_SECONDS)  # noqa: SLF001 - Telethon has no other name for it

    async def wait_for_scan(self, seconds: float) -> None:
        """Until the code was scanned, the connection broke, or the time is over."""
        scan = asyncio.ensure_future(self.scanned.wait())
        broken = self._client.disconnected
        try:
            await asyncio.wait({scan, broken}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            scan.cancel()
        if broken.done() and not broken.cancelled():
            broken.exception()  # the reconnect shows why it broke

    async def log_out(self) -> None:
        """End the new session, since it could not be saved."""
        try:
            await within(self._client(functions.auth.LogOutRequest()), 5.0)
        except SessionEnded:
            # There was none, or it is over.
            return
        except StreamerError:
            self._inform(Message.of("login.left_over"))

    async def close(self) -> None:
        """Disconnect."""
        try:
            await hang_up(self._client)
        except SessionUnreachable as trouble:
            self._inform(trouble.message)

    async def _sent(self, request: TLRequest, *, broken: bool = False) -> Any:
        """The answer; with `broken`, the end of the connection is an error at once."""
        method = method_of(request)
        self._waits.check(method)
        try:
            await self._connect()
            gone = self._client.disconnected if broken else None
            return await within(self._client(request), ANSWER_SECONDS, broken=gone)
        except FloodWait as wait:
            raise self._waits.asked(method, wait) from wait
        except TelegramRefused as refused:
            if (meaning := answer_to_login(refused)) is refused:
                raise
            raise meaning from refused

    async def _connect(self) -> None:
        if not self._client.is_connected():
            await within(self._client.connect(), ANSWER_SECONDS)

    async def _on_scanned(self, _update: Any) -> None:
        self.scanned.set()
