"""Kinds of errors through real Telethon and real sockets: each is one of ours, ends no session, and is not asked in a loop."""

from __future__ import annotations

import asyncio
import gc
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from telethon.tl.functions.help import GetNearestDcRequest
from telethon.tl.functions.updates import GetStateRequest
from telethon.tl.types import InputPeerChannel

from stands.telegram_account import connected, new_account
from stands.telegram_dc.server import Fault, TelegramStand
from stands.telegram_dc.world import HOME_DC, OTHER_DC, Answer, BadMessage, Call, Planned, TransportCode
from stands.virtual_time import SetClock
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import (
    AnswerUnreadable,
    FloodWait,
    MessageRefused,
    SessionEnded,
    SessionRestricted,
    SessionUnreachable,
    StreamerError,
    TelegramRefused,
)
from tg_video_streamer.telegram.call.call import GroupCall
from tg_video_streamer.telegram.client.state_file import TelegramState
from tg_video_streamer.telegram.client.waits import LONGEST_SECONDS, FloodWaits

ANSWER = "help.getNearestDc"
STATE = "updates.getState"


@pytest.fixture(scope="module")
def running() -> Iterator[TelegramStand]:
    """A Telegram for all tests here."""
    with TelegramStand() as stand:
        yield stand


@pytest.fixture
def stand(running: TelegramStand, caplog: pytest.LogCaptureFixture) -> Iterator[TelegramStand]:
    """The same, which answers as ever; no test leaves an exception behind that nothing has read."""
    running.do(running.world.requests.clear)
    yield running
    running.relent()
    gc.collect()
    records = (*caplog.get_records("call"), *caplog.get_records("teardown"))
    left = [one.getMessage() for one in records if one.name == "asyncio" and one.exc_info]
    assert not left


async def until(fact: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait in the event loop until `fact` is truthy."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"after {seconds:g} s still not: {what}"
        await asyncio.sleep(0.02)


UNKNOWN_CONSTRUCTOR = Answer(struct.pack("<I", 0xDEADBEEF) + b"more")
FOREVER: list[tuple[Planned, type[StreamerError], int]] = [
    ((400, "A_NEW_WORD"), TelegramRefused, 1),
    ((401, "A_NEW_WORD"), TelegramRefused, 1),
    ((403, "CHAT_WRITE_FORBIDDEN"), TelegramRefused, 1),
    ((404, "METHOD_INVALID"), TelegramRefused, 1),
    ((406, "TOPIC_CLOSED"), TelegramRefused, 1),
    ((303, "USER_MIGRATE_4"), TelegramRefused, 1),
    ((303, "STATS_MIGRATE_4"), TelegramRefused, 1),
    ((406, "FROZEN_METHOD_INVALID"), SessionRestricted, 1),
    ((420, "FROZEN_METHOD_INVALID"), SessionRestricted, 1),
    ((420, "FLOOD_WAIT_600"), FloodWait, 1),
    ((420, "SLOWMODE_WAIT_7"), FloodWait, 1),
    ((420, "A_NEW_WAIT"), FloodWait, 1),
    ((500, "UNKNOWN_METHOD"), TelegramRefused, 2),
    *((BadMessage(code), MessageRefused, 3) for code in (16, 17, 32, 33, 48)),
    *((BadMessage(code), MessageRefused, 2) for code in (18, 19, 20, 34, 35, 64, 99)),
    (UNKNOWN_CONSTRUCTOR, AnswerUnreadable, 1),
]


@pytest.mark.parametrize(("fault", "kind", "most"), FOREVER, ids=str)
async def test_for_ever(stand: TelegramStand, fault: Planned, kind: type[StreamerError], most: int) -> None:
    """An error that never ends is one of ours after a bounded number of requests, and the session stays as it is."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings) as account:
        stand.always(ANSWER, fault)
        with pytest.raises(StreamerError) as raised:
            await account.invoke(GetNearestDcRequest(), timeout_seconds=30.0)
        assert type(raised.value) is kind
        assert str(raised.value)
        assert len(stand.asked(ANSWER)) <= most
        stand.relent()
        await account.invoke(GetStateRequest())
    assert not endings


@pytest.mark.parametrize("fault", [Fault.DROP, *map(BadMessage, (16, 17, 18, 19, 20, 32, 33, 34, 35, 48, 64))], ids=str)
async def test_once(stand: TelegramStand, fault: Planned) -> None:
    """A message that is not taken once, or whose connection breaks, is sent again, and answered."""
    async with connected(stand) as account:
        stand.inject(ANSWER, fault)
        assert (await account.invoke(GetNearestDcRequest(), timeout_seconds=30.0)).this_dc == HOME_DC


@pytest.mark.parametrize("code", [-429, -444])
async def test_the_transport_refuses(stand: TelegramStand, code: int) -> None:
    """A code of the transport's ends nothing but the connection, and the request is answered over the next one."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings) as account:
        stand.inject(ANSWER, TransportCode(code))
        assert (await account.invoke(GetNearestDcRequest(), timeout_seconds=30.0)).this_dc == HOME_DC
    assert not endings


async def test_a_wait_is_obeyed_to_the_second(stand: TelegramStand) -> None:
    """Within the time that Telegram named the method is not sent once, over reconnects too; others are; then it is."""
    async with connected(stand) as account:
        stand.flood(ANSWER, 3)
        with pytest.raises(FloodWait) as raised:
            await account.invoke(GetNearestDcRequest())
        begun = time.monotonic()
        assert raised.value.seconds == 3
        assert "help.getNearestDc" in str(raised.value)
        stand.drop()
        while time.monotonic() < begun + 2.5:
            with pytest.raises(FloodWait) as raised:
                await account.invoke(GetNearestDcRequest())
            assert begun + 2.8 < time.monotonic() + raised.value.seconds < begun + 3.2
            await account.invoke(GetStateRequest())
            await asyncio.sleep(0.1)
        assert len(stand.asked(ANSWER)) == 1
        await asyncio.sleep(max(0.0, begun + 3.05 - time.monotonic()))
        await account.invoke(GetNearestDcRequest())
        assert len(stand.asked(ANSWER)) == 2


async def test_a_wait_outlives_the_account(stand: TelegramStand) -> None:
    """Another account of the same session keeps to the wait, and asks nothing before its end."""
    waits, session = FloodWaits(SystemClock()), stand.session_string()
    stand.flood(STATE, 100)
    for _ in range(3):
        account = new_account(stand, session, waits=waits)
        with pytest.raises(SessionRestricted) as raised:
            await account.connect()
        assert 95 < raised.value.seconds <= 100
        assert "UTC" in str(raised.value)
        await account.close()
    assert len(stand.asked(STATE)) == 1


def test_a_wait_outlives_a_restart(tmp_path: Path) -> None:
    """Another process of the same session keeps to it, one of another session does not; a clock that was set back waits a day at most."""
    clock, store = SetClock(), TelegramState(tmp_path)
    FloodWaits(clock, save=partial(store.put_waits, "one")).asked("a.method", FloodWait("a wait", seconds=600.0))
    later = TelegramState(tmp_path)
    clock.now += 200
    after = FloodWaits(clock, saved=later.waits("one"))
    with pytest.raises(FloodWait) as raised:
        after.check("a.method")
    assert raised.value.seconds == pytest.approx(400, abs=1)
    FloodWaits(clock, saved=later.waits("another")).check("a.method")
    clock.now += 500
    FloodWaits(clock, saved=later.waits("one")).check("a.method")
    with pytest.raises(FloodWait) as raised:
        FloodWaits(clock, saved={"a.method": 1e12}).check("a.method")
    assert raised.value.seconds <= LONGEST_SECONDS


REFUSED: list[tuple[str, Planned]] = [
    ("channels.getFullChannel", (403, "CHANNEL_PRIVATE")),
    ("phone.getGroupCall", (403, "GROUPCALL_FORBIDDEN")),
    ("phone.createGroupCall", (400, "GROUPCALL_ALREADY_STARTED")),
    ("phone.joinGroupCall", (400, "GROUPCALL_SSRC_DUPLICATE_MUCH")),
    ("phone.joinGroupCall", BadMessage(20)),
]


@pytest.mark.parametrize(("method", "fault"), REFUSED, ids=str)
async def test_refused_joins_become_rare(stand: TelegramStand, method: str, fault: Planned) -> None:
    """Whatever refuses the way into a video chat, the next attempt comes later and later."""
    clock = SetClock()
    async with connected(stand) as account:
        chat = stand.chat()
        peer = InputPeerChannel(chat.id, chat.access_hash)
        call = GroupCall(account=lambda: account, peer=peer, clock=clock)
        if method == "phone.getGroupCall":
            stand.do(lambda: setattr(chat, "call", Call(id=7, access_hash=7, rtmp_stream=False)))
        stand.always(method, fault)
        pauses = []
        for _ in range(6):
            with pytest.raises(StreamerError):
                await call.join("{}", 1)
            pauses.append(call.pause())
            with pytest.raises(SessionUnreachable):
                await call.join("{}", 1)
            clock.now += call.pause()
        stand.do(lambda: setattr(chat, "call", None))
    assert pauses == sorted(set(pauses))
    assert pauses[-1] >= 4.0
    assert len(stand.asked(method)) <= 2 * len(pauses)


@pytest.mark.parametrize(
    "fault", [(400, "INPUT_USER_DEACTIVATED"), (406, "FROZEN_METHOD_INVALID"), (420, "FLOOD_WAIT_2")]
)
async def test_a_restriction_is_seen_and_its_end(stand: TelegramStand, fault: tuple[int, str]) -> None:
    """A heartbeat that is refused restricts the account, which stays connected; a later one that is answered frees it."""
    endings: list[SessionEnded] = []
    seen: list[SessionRestricted | None] = []
    async with connected(stand, endings=endings, heartbeat_seconds=0.1) as account:
        account.on_restriction(seen.append)
        stand.always(STATE, fault)
        await until(lambda: seen, "restricted")
        assert account.restriction is seen[0]
        assert account.online
        await account.invoke(GetNearestDcRequest())
        before = len(stand.asked(STATE))
        if fault[0] == 420:
            stand.relent()
            await until(lambda: account.restriction is None, "free again")
            assert seen[1:] == [None]
        else:
            await asyncio.sleep(0.5)  # five heartbeats as they were
            assert len(stand.asked(STATE)) == before
    assert not endings


async def test_an_odd_answer_passes(stand: TelegramStand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat that is refused once is sent again soon, and the account is free; refused twice in a row it waits long."""
    monkeypatch.setattr("tg_video_streamer.telegram.client.boundary.DOUBT_SECONDS", 0.2)
    seen: list[SessionRestricted | None] = []
    async with connected(stand, heartbeat_seconds=0.1) as account:
        account.on_restriction(seen.append)
        stand.inject(STATE, (400, "A_NEW_WORD"))
        await until(lambda: len(seen) == 2, "restricted and free again")
        stand.inject(STATE, (400, "A_NEW_WORD"), (400, "A_NEW_WORD"))
        await until(lambda: len(seen) == 4, "restricted for long")
    assert [one is not None and (one.lasts, one.seconds) for one in seen] == [
        (False, 0.2),
        False,
        (False, 0.2),
        (True, 300.0),
    ]


@pytest.mark.parametrize(
    "fault", [TransportCode(-404), (406, "AUTH_KEY_DUPLICATED"), (401, "AUTH_KEY_UNREGISTERED")], ids=str
)
async def test_another_data_center_forgets_once(stand: TelegramStand, fault: Planned) -> None:
    """Where another data center no longer knows the account, a new authorization is exported, and the answer comes."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings) as account:
        await account.invoke(GetNearestDcRequest(), dc_id=OTHER_DC)
        stand.inject(ANSWER, fault)
        answer = await account.invoke(GetNearestDcRequest(), dc_id=OTHER_DC, timeout_seconds=30.0)
        assert answer.this_dc == OTHER_DC
        assert len(stand.asked("auth.exportAuthorization")) == 2
        await account.invoke(GetStateRequest())
    assert not endings


@pytest.mark.parametrize(
    "fault", [TransportCode(-404), (406, "AUTH_KEY_DUPLICATED"), (401, "SESSION_REVOKED")], ids=str
)
async def test_another_data_center_forgets_for_ever(stand: TelegramStand, fault: Planned) -> None:
    """A data center that never knows the account is a refusal with growing pauses, and never the end of the session."""
    endings: list[SessionEnded] = []
    async with connected(stand, endings=endings) as account:
        stand.always("*", fault, dc=OTHER_DC)
        for _ in range(4):
            with pytest.raises((TelegramRefused, SessionUnreachable)):
                await account.invoke(GetNearestDcRequest(), dc_id=OTHER_DC, timeout_seconds=30.0)
        assert len(stand.asked("auth.exportAuthorization")) <= 4
        await account.invoke(GetStateRequest())
    assert not endings
