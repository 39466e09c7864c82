"""What Telegram may answer to a login: each has its own words, a code that is over is followed by another, nothing is left."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from pyrogram.raw import types

from stands.telegram_account import credentials
from stands.telegram_dc.server import TelegramStand
from stands.telegram_dc.world import CODE, PASSWORD, PHONE, USER_ID, Answer
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import FloodWait, SessionEnded, SessionError, StreamerError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.telegram.client.waits import FloodWaits
from tg_video_streamer.telegram.session.login import NewSession, logged_in

OLDER = Answer(struct.pack("<I", 0xDEADBEEF), carried_out=True)


@dataclass
class Typist:
    """A person who answers at once, and scans what is shown where `scans` says so."""

    stand: TelegramStand
    scans: bool = False
    shown: list[str] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    informed: list[str] = field(default_factory=list)

    async def phone(self, wrong: Message | None) -> str:
        """See Prompts."""
        assert wrong is None, wrong
        return PHONE

    async def code(self, way: Message, wrong: Message | None) -> str:
        """See Prompts."""
        self.ways.append(str(way))
        self.wrong.append(str(wrong or ""))
        return CODE

    async def password(self, hint: str, wrong: Message | None) -> str:
        """See Prompts."""
        del hint
        assert wrong is None, wrong
        return PASSWORD

    def show(self, url: str) -> None:
        """See Prompts."""
        self.shown.append(url)
        if self.scans:
            asyncio.get_running_loop().run_in_executor(None, self.stand.scan, url)

    def inform(self, text: str | Message) -> None:
        """See Prompts."""
        self.informed.append(str(text))


@pytest.fixture
def stand(telegram: TelegramStand) -> Iterator[TelegramStand]:
    """The same, without logins and faults."""
    yield telegram
    telegram.relent()
    telegram.do(telegram.world.keys.clear)
    telegram.user().password = None


async def log_in(typist: Typist, *, qr: bool = False, waits: FloodWaits | None = None) -> NewSession:
    """A whole login."""
    known = credentials(typist.stand, "none yet")
    async with logged_in(known, typist, clock=SystemClock(), qr=qr, waits=waits) as made:
        return made


def owners(stand: TelegramStand) -> set[int | None]:
    """Whose sessions Telegram has."""
    return {key.user_id for key in stand.world.keys.values() if key.revoked is None}


REFUSALS = [
    ("auth.sendCode", (406, "SEND_CODE_UNAVAILABLE"), "every way to send a code"),
    ("auth.sendCode", (406, "PHONE_PASSWORD_FLOOD"), "too many wrong passwords"),
    ("auth.sendCode", (406, "UPDATE_APP_TO_LOGIN"), "newer programs"),
    ("auth.sendCode", (400, "PHONE_NUMBER_BANNED"), "banned this number"),
    ("auth.sendCode", (400, "PHONE_NUMBER_FLOOD"), "too many logins"),
    ("auth.sendCode", (400, "API_ID_PUBLISHED_FLOOD"), "API_ID and API_HASH"),
    ("auth.signIn", (406, "UPDATE_APP_TO_LOGIN"), "newer programs"),
    ("auth.signIn", (500, "AUTH_RESTART"), "AUTH_RESTART"),
    ("auth.sendCode", (400, "INPUT_METHOD_INVALID_3838247324_1200000"), "another version of Telegram's protocol"),
    ("auth.sendCode", (400, "CONNECTION_LAYER_INVALID"), "another version of Telegram's protocol"),
]


@pytest.mark.parametrize(("method", "fault", "words"), REFUSALS, ids=lambda value: str(value)[:40])
async def test_each_refusal_has_its_words(
    stand: TelegramStand, method: str, fault: tuple[int, str], words: str
) -> None:
    """A login that Telegram refuses says why and what to do; only a refused application speaks of an end of the session."""
    stand.always(method, fault)
    with pytest.raises(StreamerError) as raised:
        await log_in(Typist(stand))
    assert words in str(raised.value)
    assert isinstance(raised.value, SessionEnded) is ("API_ID" in fault[1])
    assert owners(stand) <= {None}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (types.auth.SentCodeTypeEmailCode(email_pattern="j***@example.org", length=6), "by e-mail to j***@example.org"),
        (
            types.auth.SentCodeTypeFragmentSms(url="https://fragment.com/login", length=5),
            "at https://fragment.com/login",
        ),
    ],
    ids=["e-mail", "fragment"],
)
async def test_a_code_that_comes_another_way(stand: TelegramStand, kind: object, words: str) -> None:
    """A code by e-mail or at Fragment is asked for by its place; an e-mail's goes where Telegram expects it."""
    stand.inject("auth.sendCode", Answer(types.auth.SentCode(type=kind, phone_code_hash=stand.world.code_hash)))
    typist = Typist(stand)
    assert (await log_in(typist)).user_id == USER_ID
    assert typist.ways == [words]
    asked = stand.asked("auth.signIn")[-1]
    by_email = "e-mail" in words
    assert (asked.phone_code, getattr(asked.email_verification, "code", None)) == (
        (None, CODE) if by_email else (CODE, None)
    )


@pytest.mark.parametrize("word", ["AUTH_TOKEN_EXPIRED", "AUTH_TOKEN_INVALID", "AUTH_TOKEN_ALREADY_ACCEPTED"])
async def test_an_expired_qr_code_is_followed_by_another(stand: TelegramStand, word: str) -> None:
    """A QR code that is over when it is asked about is replaced by a new one, and the login goes through."""
    stand.inject("auth.exportLoginToken", None, (400, word))
    typist = Typist(stand, scans=True)
    assert (await log_in(typist, qr=True)).user_id == USER_ID
    assert len(set(typist.shown)) <= 2


@pytest.mark.parametrize("how", ["code", "password", "qr"])
async def test_an_older_server_is_named_and_keeps_no_session(stand: TelegramStand, how: str) -> None:
    """A server that logs in and answers in words of another version is named, and the session that it made is ended."""
    typist = Typist(stand, scans=True)
    if how == "password":
        stand.user().password = PASSWORD
        stand.inject("auth.checkPassword", OLDER)
    elif how == "qr":
        stand.inject("auth.exportLoginToken", None, OLDER)
    else:
        stand.inject("auth.signIn", OLDER)
    with pytest.raises(SessionError, match="another version of Telegram's protocol") as raised:
        await log_in(typist, qr=how == "qr")
    assert "update the server" in raised.value.remedy
    assert USER_ID not in owners(stand)
    assert typist.informed == []
    assert len(stand.asked("auth.logOut")) >= 1


async def test_a_wait_is_kept_by_the_next_login(stand: TelegramStand) -> None:
    """A login that comes before the end of a wait says until when, and asks for no code."""
    waits = FloodWaits(SystemClock())
    asked = len(stand.asked("auth.sendCode"))
    stand.flood("auth.sendCode", 600)
    texts = []
    for _ in range(3):
        with pytest.raises(FloodWait) as raised:
            await log_in(Typist(stand), waits=waits)
        texts.append(str(raised.value))
    assert len(stand.asked("auth.sendCode")) == asked + 1
    assert len(set(texts)) == 1
    assert "UTC" in texts[0]
