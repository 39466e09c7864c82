"""The video chat as an output: a real worker, a loopback Telegram, a far end that can be killed; every way of losing it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import psutil
import pytest

from stands.call_program import call_clip
from stands.group_call_sfu import SfuProcess
from stands.program import Clip
from stands.telegram_dc.world import CHANNEL_ID, READ_ONLY_ID, Call
from stands.video_chat import VideoChat
from stands.virtual_time import SetClock
from stands.waiting import wait_until
from tg_video_streamer.locales.message import Message
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.telegram.call.call import CALL_TRANSITIONS, JOINS_PER_MINUTE, CallState, JoinBudget

WIDTH, HEIGHT = 320, 180


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Small: its pictures are not checked here."""
    return call_clip(tmp_path_factory.mktemp("call"), width=WIDTH, height=HEIGHT)


@pytest.fixture
def chat(clip: Clip) -> Iterator[VideoChat]:
    """With the output on air."""
    with VideoChat(clip) as one:
        one.handler.start()
        one.on_air()
        # A busy machine may have needed a second join; the tests count from here on.
        del one.adapters[:-1]
        one.events.clear()
        yield one


def test_joins_is_seen_and_leaves(chat: VideoChat) -> None:
    """The call is opened, joined unmuted and with video; a stop leaves it and leaves no process behind."""
    (me,) = chat.participants()
    assert (me.muted, me.video_stopped, me.peer.QUALNAME) == (False, False, "types.PeerUser")
    status = chat.handler.status()
    assert status.bytes_sent > 0
    assert status.error is None
    worker = chat.worker()
    chat.handler.stop()
    assert chat.participants() == []
    assert chat.call.state is CallState.OUT
    assert not psutil.pid_exists(worker)
    assert len(chat.stand.asked("phone.leaveGroupCall")) == 1
    # And comes back, to the same call.
    chat.handler.start()
    chat.on_air(2)
    assert len(chat.stand.asked("phone.createGroupCall")) == 1


def kick(chat: VideoChat) -> None:
    """An administrator removes us."""
    chat.stand.kick()


def close(chat: VideoChat) -> None:
    """An administrator ends the call."""
    chat.stand.end_call()


def kill_worker(chat: VideoChat) -> None:
    """The worker dies."""
    os.kill(chat.worker(), signal.SIGKILL)


def freeze_worker(chat: VideoChat) -> None:
    """The worker hangs."""
    os.kill(chat.worker(), signal.SIGSTOP)


@pytest.mark.parametrize("fault", [kick, close, kill_worker, freeze_worker])
def test_comes_back(chat: VideoChat, fault: Callable[[VideoChat], None]) -> None:
    """Removed, call ended, worker killed, worker frozen: back on air by itself, alone in the call, its dead worker gone."""
    worker = chat.worker()
    fault(chat)
    chat.on_air(2)
    assert any(one.state == "retrying" for one in chat.events)
    assert not psutil.pid_exists(worker)
    assert len(chat.participants()) == 1
    assert chat.handler.status().reconnects == 1


@pytest.mark.parametrize("fault", [SfuProcess.kill, SfuProcess.freeze])
def test_media_server_lost(chat: VideoChat, fault: Callable[[SfuProcess], None]) -> None:
    """Telegram's media server dies or hangs, which WebRTC does not report: Telegram is asked, and the call joined again."""
    old = chat.sfu
    fault(old)
    with SfuProcess() as new:
        chat.sfu = new
        chat.media_server_lost_us()
        chat.on_air(2)
        chat.handler.stop()
    old.kill()


def test_as_the_channel(clip: Clip) -> None:
    """Where configured, viewers see the channel and not the account behind it."""
    with VideoChat(clip, as_channel=True) as chat:
        chat.handler.start()
        chat.on_air()
        (me,) = chat.participants()
        assert me.peer.channel_id == CHANNEL_ID


def error_of(chat: VideoChat) -> str:
    """The first error that the output reports."""
    return wait_until(lambda: next((str(one.error) for one in list(chat.events) if one.error), ""), what="an error")


def test_refusals_say_what_helps(clip: Clip) -> None:
    """A chat where we may not open a call, and one with an RTMP live stream: each has its message, and no worker stays."""
    with VideoChat(clip, chat_id=READ_ONLY_ID) as chat:
        chat.handler.start()
        assert "CHAT_ADMIN_REQUIRED; make the account an administrator" in error_of(chat)
    with VideoChat(clip) as chat:
        streaming = Call(id=7, access_hash=7, rtmp_stream=True)
        chat.stand.do(lambda: setattr(chat.stand.chat(), "call", streaming))
        chat.handler.start()
        assert "RTMP live stream" in error_of(chat)
        assert chat.stand.asked("phone.joinGroupCall") == []
    assert not [one for one in psutil.Process().children() if "call_worker" in " ".join(one.cmdline())]


def test_flood_wait_is_kept(clip: Clip) -> None:
    """Telegram asks to wait: no join is tried before that time is over, then the output goes on air."""
    with VideoChat(clip) as chat:
        chat.stand.flood("phone.joinGroupCall", 3)
        chat.handler.start()
        assert "FLOOD_WAIT for phone.joinGroupCall" in error_of(chat)
        assert 2.0 < chat.call.pause() <= 3.0
        assert len(chat.stand.asked("phone.joinGroupCall")) == 1
        chat.on_air(2)
        # A busy machine may need one more.
        assert len(chat.stand.asked("phone.joinGroupCall")) >= 2


def test_session_ends_on_air(chat: VideoChat) -> None:
    """A session that ends mid-stream is reported as such; the suspended output leaves no worker behind."""
    worker = chat.worker()
    chat.stand.revoke_all(401, "SESSION_REVOKED", announce=True)
    assert "ended from another device" in error_of(chat)
    chat.handler.suspend(Message.of("telegram.no_session"))
    assert chat.handler.status().state is OutputState.SUSPENDED
    assert not psutil.pid_exists(worker)
    assert chat.call.pause() < 1.0


def test_telegram_out_of_reach_takes_nothing_off_the_air(chat: VideoChat) -> None:
    """While Telegram itself cannot be asked, the media continues; when it is back, it is asked again, with no new join."""
    joined = len(chat.stand.asked("phone.joinGroupCall"))
    chat.stand.stop()
    before = chat.sfu.packets()
    wait_until(lambda: chat.sfu.packets() > before + 100, what="media all the while")
    chat.stand.start()
    asked = len(chat.stand.asked("phone.checkGroupCall"))
    wait_until(lambda: len(chat.stand.asked("phone.checkGroupCall")) > asked + 1, what="another check")
    assert chat.handler.status().state is OutputState.ON_AIR
    assert len(chat.stand.asked("phone.joinGroupCall")) == joined


def test_leaves_when_the_program_is_over(chat: VideoChat) -> None:
    """At the end of the program the output leaves the call by itself."""
    chat.program.stop()
    chat.program.fanout.finish()
    chat.handler.finish(timeout=5)
    assert chat.participants() == []
    assert chat.handler.status().state is OutputState.STOPPED


def test_budget_of_joins() -> None:
    """In an hour of calls that break at once joins become rare; after a steady one the next is at once; a flood counts."""
    clock = SetClock()
    budget = JoinBudget(clock)
    joins: list[float] = []
    while clock.now < 1000.0 + 3600.0:
        if (pause := budget.pause()) > 0:
            clock.now += pause
            continue
        joins.append(clock.now)
        budget.attempt()
        clock.now += 0.5
        budget.joined()
        budget.lost()
    assert joins[1] - joins[0] < 1.0
    assert len(joins) < 75
    assert max(sum(at <= one < at + 60 for one in joins) for at in joins) <= JOINS_PER_MINUTE
    clock.now += budget.pause()
    budget.attempt()
    budget.joined()
    clock.now += 120.0
    budget.lost()
    assert budget.pause() == 0.0
    budget.flooded(300.0)
    budget.flooded(10.0)
    assert budget.pause() == pytest.approx(300.0)


def test_states_are_as_drawn() -> None:
    """The diagram in the docstring and the table say the same."""
    drawn: dict[str, set[str]] = {}
    diagram = (CallState.__doc__ or "").split("```")[1]
    for part in (part for line in diagram.splitlines() for part in line.split("   ")):
        if "──►" in part:
            start, _, ends = part.partition("──►")
            drawn.setdefault(start.strip(), set()).update(one.strip() for one in ends.split(","))
    assert drawn == {str(one): {str(after) for after in more} for one, more in CALL_TRANSITIONS.items()}
