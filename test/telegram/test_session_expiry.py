"""Every way in which a Telegram session ends, at start and mid-stream, through real Telethon and real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from telethon.tl.functions.help import GetNearestDcRequest
from telethon.tl.functions.updates import GetStateRequest

from stands.machine import Stopwatch
from stands.telegram_account import connected, credentials, new_account
from stands.telegram_dc.server import Fault, TelegramStand
from stands.telegram_dc.world import SECOND_USER_ID, USER_ID
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import SessionEnded, SessionEnding, SessionUnreachable, TelegramRefused
from tg_video_streamer.telegram.client.limiter import ConnectionLimiter

WORDS = [
    (401, "SESSION_EXPIRED", SessionEnding.EXPIRED),
    (401, "SESSION_REVOKED", SessionEnding.REVOKED),
    (401, "AUTH_KEY_UNREGISTERED", SessionEnding.UNREGISTERED),
    (406, "AUTH_KEY_DUPLICATED", SessionEnding.DUPLICATED),
    (401, "AUTH_KEY_INVALID", SessionEnding.INVALID),
    (401, "USER_DEACTIVATED", SessionEnding.DEACTIVATED),
    (401, "USER_DEACTIVATED_BAN", SessionEnding.BANNED),
]
WRONG_API = (400, "API_ID_INVALID", SessionEnding.WRONG_API)
every_word = pytest.mark.parametrize(("code", "word", "ending"), WORDS, ids=[word for _, word, _ in WORDS])
every_word_of_getstate = pytest.mark.parametrize(
    ("code", "word", "ending"), [*WORDS, WRONG_API], ids=[word for _, word, _ in [*WORDS, WRONG_API]]
)


@pytest.fixture
def stand() -> Iterator[TelegramStand]:
    """A Telegram of the test's own."""
    with TelegramStand() as running:
        yield running


async def until(fact: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait in the event loop until `fact` is truthy."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"after {seconds:g} s still not: {what}"
        await asyncio.sleep(0.02)


async def ending_of(call: Awaitable[object]) -> SessionEnded:
    """The SessionEnded that `call` raises."""
    with pytest.raises(SessionEnded) as raised:
        await call
    return raised.value


@every_word_of_getstate
async def test_at_start(stand: TelegramStand, code: int, word: str, ending: SessionEnding) -> None:
    """A session that has ended is refused at start, by its own name and with what to do."""
    account = new_account(stand)
    stand.revoke_all(code, word)
    error = await ending_of(account.connect())
    assert error.ending is ending
    assert error.remedy
    assert stand.connections_made == 1
    await account.close()


@every_word
async def test_at_a_request(stand: TelegramStand, code: int, word: str, ending: SessionEnding) -> None:
    """A session that ends mid-stream fails the next request, is reported once, and fails every later request."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings) as account:
        stand.revoke_all(code, word)
        assert (await ending_of(account.invoke(GetStateRequest()))).ending is ending
        assert (await ending_of(account.invoke(GetStateRequest()))).ending is ending
        assert [one.ending for one in endings] == [ending]


@every_word_of_getstate
@pytest.mark.parametrize("how", ["drop", "announce", "heartbeat"])
async def test_mid_stream_without_a_request(
    stand: TelegramStand, how: str, code: int, word: str, ending: SessionEnding
) -> None:
    """Without a request, a hang-up, an update or the heartbeat shows that the session ended."""
    endings: list[SessionEnded] = []
    # Telethon takes a refused application for a failed update: the heartbeat must notice it.
    heartbeat = 0.2 if how == "heartbeat" or code == 400 else 30.0
    async with connected(stand, endings=endings, heartbeat_seconds=heartbeat):
        stand.revoke_all(code, word, drop=how == "drop", announce=how == "announce")
        await until(lambda: endings, f"told of {word}")
        await until(lambda: stand.connections == 0, "nothing connects any longer")
    assert [one.ending for one in endings] == [ending]


async def test_unknown_key_at_start(stand: TelegramStand) -> None:
    """A key that the server does not know (-404) is an ending of its own."""
    account = new_account(stand)
    stand.forget_keys()
    assert (await ending_of(account.connect())).ending is SessionEnding.KEY_UNKNOWN
    await account.close()


@pytest.mark.parametrize("drop", [True, False])
async def test_unknown_key_mid_stream(stand: TelegramStand, drop: bool) -> None:  # noqa: FBT001 - a parameter
    """A key that the server forgets is noticed after a hang-up and on a standing connection."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings, heartbeat_seconds=0.2):
        stand.forget_keys(drop=drop)
        await until(lambda: endings, "told of the unknown key")
    assert [one.ending for one in endings] == [SessionEnding.KEY_UNKNOWN]


@pytest.mark.parametrize("cut", ["half", "one", "junk", "prose", "empty-key"])
async def test_garbage(stand: TelegramStand, cut: str) -> None:
    """An invalid string is recognized before anything is connected, and is not repeated in the message."""
    whole = stand.session_string()
    broken = {
        "half": whole[: len(whole) // 2],
        "one": whole[:-5],
        "junk": "1" + whole[1:40] + "!" + whole[40:],
        "prose": "my session",
        "empty-key": "1" + "AgAAAAG7" + "A" * 344,
    }[cut]
    account = new_account(stand, broken)
    error = await ending_of(account.connect())
    assert error.ending is SessionEnding.GARBAGE
    assert broken not in str(error)
    assert stand.connections_made == 0
    await account.close()


@pytest.mark.parametrize("changes", [{"api_id": 0}, {"api_hash": ""}, {"api_id": 999}])
async def test_wrong_application(stand: TelegramStand, changes: dict[str, Any]) -> None:
    """A wrong or missing API_ID or API_HASH is distinguished from an ended session."""
    account = new_account(stand, **changes)
    assert (await ending_of(account.connect())).ending is SessionEnding.WRONG_API
    await account.close()


async def test_duplicated_names_the_other_host(stand: TelegramStand) -> None:
    """AUTH_KEY_DUPLICATED says that another host uses the session."""
    account = new_account(stand)
    stand.revoke_all(406, "AUTH_KEY_DUPLICATED")
    assert "another host" in str(await ending_of(account.connect()))
    await account.close()


async def test_server_gone_at_start(stand: TelegramStand) -> None:
    """A server that is not there is no ending of the session."""
    account = new_account(stand)
    stand.stop()
    with pytest.raises(SessionUnreachable):
        await account.connect()
    await account.close()


@pytest.mark.parametrize("fault", [(500, "INTERNAL"), (-503, "Timeout"), (420, "FLOOD_WAIT_77")])
async def test_trouble_is_no_ending(stand: TelegramStand, fault: tuple[int, str]) -> None:
    """Trouble on Telegram's side and FLOOD_WAIT leave the session as it is, and the wait is reported."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings) as account:
        stand.inject("help.getNearestDc", *[fault] * 3)
        with pytest.raises(SessionUnreachable) as raised:
            await account.invoke(GetNearestDcRequest())
        assert raised.value.seconds == (77 if fault[0] == 420 else 0)
        await account.invoke(GetStateRequest())
    assert not endings


async def test_flood_at_start(stand: TelegramStand) -> None:
    """FLOOD_WAIT on connecting is no ending either."""
    stand.flood("updates.getState", 44)
    account = new_account(stand)
    with pytest.raises(SessionUnreachable) as raised:
        await account.connect()
    assert raised.value.seconds == 44
    await account.close()


async def test_silence(stand: TelegramStand) -> None:
    """A server that answers nothing is left within the limit, at start and at a request."""
    async with connected(stand) as account:
        stand.silence()
        limits = Stopwatch()
        with pytest.raises(SessionUnreachable):
            await account.invoke(GetStateRequest(), timeout_seconds=0.5)
        other = new_account(stand)
        with pytest.raises(SessionUnreachable):
            await other.connect(timeout_seconds=0.5)
        assert limits.stop() < 8
        stand.silence(on=False)
        await other.close()


async def test_request_is_sent_again(stand: TelegramStand) -> None:
    """A request whose connection is cut before its answer gets one when the server is back."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings) as account:
        stand.inject("help.getNearestDc", Fault.DROP)
        answer = await account.invoke(GetNearestDcRequest())
        assert answer.this_dc == 2
        stand.restart()
        assert (await account.invoke(GetNearestDcRequest())).this_dc == 2
    assert not endings


async def test_server_back_after_a_while(stand: TelegramStand) -> None:
    """A server that was gone is found again by itself, and its absence is no ending."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings) as account:
        stand.stop()
        await until(lambda: not account.online, "the loss is seen")
        with pytest.raises(SessionUnreachable):
            await account.invoke(GetStateRequest(), timeout_seconds=0.3)
        stand.start()
        await until(lambda: account.online, "back again")
        await account.invoke(GetStateRequest())
    assert not endings


async def test_refusal_is_no_ending(stand: TelegramStand) -> None:
    """One refused request has Telegram's word, and the session stays valid."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings) as account:
        stand.inject("help.getNearestDc", (400, "CHAT_ADMIN_REQUIRED"), (403, "A_NEW_WORD"))
        words = []
        for _ in range(2):
            with pytest.raises(TelegramRefused) as raised:
                await account.invoke(GetNearestDcRequest())
            words.append(raised.value.word)
        assert words == ["CHAT_ADMIN_REQUIRED", "A_NEW_WORD"]
        await account.invoke(GetStateRequest())
    assert not endings


@pytest.mark.parametrize("hours", [-1, 1])
async def test_clock_off_by_an_hour(stand: TelegramStand, hours: int) -> None:
    """A host whose clock is an hour off works, also after a reconnection."""
    stand.do(lambda: setattr(stand.world, "clock_offset", hours * 3600.0))
    async with connected(stand) as account:
        await account.invoke(GetStateRequest())
        stand.drop()
        await account.invoke(GetStateRequest())


async def test_every_format(stand: TelegramStand) -> None:
    """Telethon's, Kurigram's and Pyrogram's older string all lead to the same account."""
    for session in (
        stand.session_string(),
        stand.kurigram_session_string(),
        stand.kurigram_session_string(old=True),
    ):
        async with connected(stand, session) as account:
            assert account.user_id == USER_ID
    async with connected(stand, stand.session_string(SECOND_USER_ID)) as account:
        assert account.user_id == SECOND_USER_ID


async def _storm(stand: TelegramStand, seconds: float, limiter: ConnectionLimiter | None) -> tuple[float, int]:
    """CPU share of this process's thread, and connections, while the server accepts and closes."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings, limiter=limiter) as account:
        await account.invoke(GetStateRequest())
        before = stand.connections_made
        stand.refuse()
        begun, used = time.monotonic(), time.thread_time()
        await asyncio.sleep(seconds)  # the length of the fault is what is tested
        share = (time.thread_time() - used) / (time.monotonic() - begun)
        made = stand.connections_made - before
        stand.refuse(on=False)
        assert not endings
        return share, made


async def test_accept_and_close(stand: TelegramStand) -> None:
    """A server that accepts and closes is not stormed: the pauses grow."""
    _, made = await _storm(stand, 3.0, ConnectionLimiter(SystemClock()))
    assert made <= 4


@pytest.mark.long
async def test_accept_and_close_for_long(stand: TelegramStand) -> None:
    """Thirty seconds of it cost less than 5 % of a core and no more attempts than the limit, even without pauses."""
    share, made = await _storm(stand, 30.0, ConnectionLimiter(SystemClock(), pauses=Backoff(first=0.0, longest=0.0)))
    assert share < 0.05
    assert made <= 10


async def test_nothing_secret_is_shown(stand: TelegramStand, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the session nor the API hash is in a repr, an error or a log."""
    secret = credentials(stand)
    endings: list[SessionEnded] = []
    async with connected(stand, secret.session, endings=endings) as account:
        stand.revoke_all(401, "SESSION_REVOKED", announce=True)
        await until(lambda: endings, "told of the end")
        shown = f"{secret!r} {account!r} {endings[0]!r} {endings[0]}"
    captured = capfd.readouterr()
    for text in (shown, captured.out, captured.err):
        assert secret.session not in text
        assert secret.api_hash not in text
