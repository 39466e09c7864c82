"""The decision whether viewers get the stream, when its title changes, and which way is taken: in virtual time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tg_video_streamer.outputs.telegram.transport_plan import PATIENCE_SECONDS, TelegramTransport, TransportPlan
from tg_video_streamer.telegram.livestream.delivery import (
    GRACE_SECONDS,
    Delivery,
    DeliveryCheck,
    DeliveryState,
    Remedy,
    assess,
)
from tg_video_streamer.telegram.livestream.title import LONGEST, PAUSE_SECONDS, TitlePacer, fitting

EVERY = 5.0


def assessed(newest: Sequence[int | None], *, leaving: bool = True) -> list[DeliveryState]:
    """The states after checks every five seconds."""
    states = [DeliveryState()]
    for number, milliseconds in enumerate(newest):
        check = DeliveryCheck(at=number * EVERY, leaving=leaving, newest_milliseconds=milliseconds)
        states.append(assess(states[-1], check))
    return states[1:]


def test_confirmed_by_advancing() -> None:
    """One time alone proves nothing; the next, larger one does, and slow channels keep it for a while."""
    deliveries = [state.delivery for state in assessed([1000, 6000, 6000, 11000])]
    assert deliveries == [Delivery.UNKNOWN, Delivery.CONFIRMED, Delivery.CONFIRMED, Delivery.CONFIRMED]


@pytest.mark.parametrize("newest", [0, 5000], ids=["empty", "standing"])
def test_missing_after_the_grace(newest: int) -> None:
    """No channel, or one that stands still, is missing after the grace: first a new connection, then a new key."""
    states = assessed([newest] * 20)
    remedies = [(number * EVERY, one.remedy) for number, one in enumerate(states) if one.remedy is not Remedy.NONE]
    assert [remedy for _, remedy in remedies] == [
        Remedy.RECONNECT,
        Remedy.NEW_KEY,
        Remedy.RECONNECT,
        Remedy.NEW_KEY,
    ]
    assert remedies[0][0] == GRACE_SECONDS
    assert all(states[int(at / EVERY)].delivery is Delivery.MISSING for at, _ in remedies)


def test_confirmation_ends_the_row() -> None:
    """A stream that was seen again starts over with a connection, not with a key."""
    states = assessed([0] * 6 + [1000, 6000] + [6000] * 6)
    assert [one.remedy for one in states if one.remedy is not Remedy.NONE] == [Remedy.RECONNECT, Remedy.RECONNECT]


def test_cannot_be_asked() -> None:
    """No answer is unconfirmed, and however long that lasts, nothing is done about it."""
    assert {(state.delivery, state.remedy) for state in assessed([None] * 100)} == {(Delivery.UNCONFIRMED, Remedy.NONE)}


def test_nothing_leaves() -> None:
    """Where nothing leaves, nothing can arrive."""
    assert {(state.delivery, state.remedy) for state in assessed([0] * 100, leaving=False)} == {
        (Delivery.UNKNOWN, Remedy.NONE)
    }


def test_title_is_paced() -> None:
    """Titles follow at most every 30 s, the last one counts, and one that is shown already is not set again."""
    titles = TitlePacer()
    assert titles.due(0.0) == ""
    titles.want("first")
    assert titles.due(0.0) == "first"
    titles.set("first", 0.0)
    for number in range(10):
        titles.want(f"number {number}")
        assert titles.due(number + 1.0) == ""
    assert titles.due(PAUSE_SECONDS) == "number 9"
    titles.delayed(PAUSE_SECONDS, 100.0)
    assert titles.due(PAUSE_SECONDS + 99) == ""
    assert titles.due(PAUSE_SECONDS + 100) == "number 9"
    titles.want("first")
    assert titles.due(1000.0) == ""


def test_a_refused_title_costs_itself() -> None:
    """A refused title is passed over and the next one is tried after the pause, ever more slowly where all are refused."""
    titles, now, tried = TitlePacer(), 0.0, []
    titles.want("bad")
    assert titles.refused(now)
    assert titles.due(now + 10_000) == ""
    titles.want("good")
    assert titles.due(now + PAUSE_SECONDS) == "good"
    for number in range(8):
        titles.want(f"number {number}")
        now = titles.not_before
        assert titles.due(now) == f"number {number}"
        assert not titles.refused(now)
        tried.append(titles.not_before - now)
    assert tried == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0, 600.0, 600.0]
    titles.want("good")
    titles.set("good", titles.not_before)
    titles.want("bad")
    assert titles.due(titles.not_before) == "bad"


def test_title_fits() -> None:
    """One line of at most as many characters as Telegram allows."""
    assert fitting("a\n b\t c") == "a b c"
    assert len(fitting("word " * 100)) <= LONGEST
    assert fitting("x" * LONGEST) == "x" * LONGEST


def test_auto_takes_the_call_where_there_is_no_url() -> None:
    """RTMP is asked for first; refused, the call is taken at once, and RTMP again once the call is refused too."""
    plan = TransportPlan("auto")
    assert plan.choose(0.0) is TelegramTransport.RTMP
    assert plan.refused()
    assert plan.choose(0.0) is TelegramTransport.CALL
    assert not plan.refused()
    assert plan.choose(0.0) is TelegramTransport.RTMP


def test_auto_leaves_a_way_that_fails_for_long() -> None:
    """A transport that works now and then stays; one that fails for two minutes is replaced by the other, in turns."""
    plan = TransportPlan("auto")
    for second in range(300):
        plan.failed(float(second))
        if second % 60 == 0:
            plan.on_air()
        assert plan.choose(float(second)) is TelegramTransport.RTMP
    plan.on_air()
    ways = []
    for second in range(1000, 1000 + int(4 * PATIENCE_SECONDS) + 8):
        plan.failed(float(second))
        ways.append(plan.choose(float(second)))
    changes = [way for way, before in zip(ways[1:], ways, strict=False) if way is not before]
    assert changes[:3] == [TelegramTransport.CALL, TelegramTransport.RTMP, TelegramTransport.CALL]


@pytest.mark.parametrize("setting", ["rtmp", "call"])
def test_a_fixed_way_is_kept(setting: str) -> None:
    """What the operator has chosen stays, whatever happens."""
    plan = TransportPlan(setting)
    plan.failed(0.0)
    assert not plan.refused()
    assert plan.choose(1e9) == setting
