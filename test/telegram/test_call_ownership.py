"""What an output may do with the call of its chat, by whose it is: every combination of what Telegram says."""

from __future__ import annotations

from itertools import product

import pytest

from tg_video_streamer.telegram.answers.calls import CallFacts, RunningCall
from tg_video_streamer.telegram.call.ownership import Way, in_the_way, way_with


def call(*, rtmp: bool = False, creator: bool = False, scheduled_wall: float | None = None) -> RunningCall:
    """A call as Telegram describes it."""
    return RunningCall(
        id=1,
        access_hash=2,
        rtmp=rtmp,
        title="Talk",
        stream_dc=None,
        participants=3,
        creator=creator,
        scheduled_wall=scheduled_wall,
    )


def test_no_call_is_free() -> None:
    """Where there is no call, or an ended one, a new one may be started."""
    assert way_with(None, rtmp=True, may_end=True) is Way.FREE
    assert way_with(CallFacts(call=None, publishers=()), rtmp=True, may_end=True) is Way.FREE


@pytest.mark.parametrize(
    ("creator", "scheduled", "has_rtmp", "rtmp", "publishers", "may_end"),
    list(product([True, False], [True, False], [True, False], [True, False], [(), ("Ann",), ("",)], [True, False])),
)
def test_only_our_own_empty_call_is_ended(
    *, creator: bool, scheduled: bool, has_rtmp: bool, rtmp: bool, publishers: tuple[str, ...], may_end: bool
) -> None:
    """A call is ended only if we started it, it runs, is of the other kind, nobody else publishes, and the settings allow."""
    known = call(rtmp=has_rtmp, creator=creator, scheduled_wall=1_800_000_000.0 if scheduled else None)
    way = way_with(CallFacts(call=known, publishers=publishers), rtmp=rtmp, may_end=may_end)
    if scheduled:
        assert way is Way.WAIT
    elif has_rtmp is rtmp:
        assert way is Way.USE
    else:
        assert way is (Way.END if creator and not publishers and may_end else Way.WAIT)


@pytest.mark.parametrize(
    ("known", "publishers", "starter", "words"),
    [
        (call(), ("Ann", "Bob"), "Second", "a video chat runs in the chat (Talk, of Second)"),
        (call(), ("Ann", "", "Bob"), "", "a video chat runs in the chat (Talk, of Ann, Bob)"),
        (call(rtmp=True), (), "", "an RTMP live stream runs in the chat (Talk, of another administrator)"),
        (call(creator=True), (), "", "a video chat runs in the chat (Talk, of this account)"),
        (
            call(scheduled_wall=1_800_000_000.0),
            (),
            "Ann",
            "announced in the chat for 2027-01-15 08:00 UTC (Talk, of Ann)",
        ),
    ],
)
def test_says_whose_it_is(known: RunningCall, publishers: tuple[str, ...], starter: str, words: str) -> None:
    """The words name who started the call, else who takes part, else whose it cannot be told."""
    what = in_the_way(CallFacts(call=known, publishers=publishers), starter=starter)
    assert words in str(what)
