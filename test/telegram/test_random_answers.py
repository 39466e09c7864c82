"""A channel on air whose Telegram answers at random, at ten times the pace: nothing dies, lies, grows or asks in a loop."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest

from stands.live_channel import LiveChannel
from stands.program import Clip
from stands.random_telegram import RandomAnswers
from stands.telegram_dc.server import StreamState
from stands.telegram_dc.world import Call
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.outputs.telegram import output
from tg_video_streamer.outputs.telegram.watch import WatchPace
from tg_video_streamer.sighting import PERIODS
from tg_video_streamer.telegram.client import account, boundary, data_centers, limiter
from tg_video_streamer.telegram.session import keeper, renewal
from tg_video_streamer.telegram.session.state import SessionState

TIMES = 10.0
"""How much faster than the service everything runs."""
PACE = WatchPace(check_seconds=0.5, answer_seconds=1.0, grace_seconds=2.0, title_seconds=0.5, new_key_seconds=360.0)
MINUTE = 60.0 / TIMES
SEED = int(os.environ.get("RANDOM_ANSWERS_SEED") or random.SystemRandom().randrange(1_000_000))
MINUTES = int(os.environ.get("RANDOM_ANSWERS_MINUTES") or 60)
FALSE_GREEN_SECONDS = PACE.grace_seconds + 2 * PERIODS * (PACE.check_seconds + PACE.answer_seconds)
"""How long a claim may stand that is no longer true: a grace, and three periods; twice these on a busy machine."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every time that the program itself chooses is a tenth of what it is."""
    for module, name in (
        (account, "ANSWER_SECONDS"),
        (account, "_DEFECT_SECONDS"),
        (boundary, "DOUBT_SECONDS"),
        (boundary, "RESTRICTED_SECONDS"),
        (boundary, "UNNAMED_WAIT_SECONDS"),
        (boundary, "TRANSPORT_SECONDS"),
        (data_centers, "_CONNECT_SECONDS"),
        (data_centers, "_AT_ONCE_SECONDS"),
        (keeper, "UNREACHABLE_SECONDS"),
        (output, "ASK_SECONDS"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name) / TIMES)
    monkeypatch.setattr(renewal, "PAUSES", Backoff(first=0.1, longest=1.0))
    for function, name in (
        (account.Account.__init__, "heartbeat_seconds"),
        (account.Account.connect, "timeout_seconds"),
        (account.Account.invoke, "timeout_seconds"),
        (limiter.ConnectionLimiter.__init__, "steady_seconds"),
    ):
        defaults = function.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, name, defaults[name] / TIMES)
    monkeypatch.setattr("tg_video_streamer.app.session._CONNECTIONS_A_MINUTE", int(20 * TIMES))


class Witness:
    """Compares ten times a second what the status says with what Telegram knows."""

    def __init__(self, channel: LiveChannel) -> None:
        self._channel = channel
        self.worst = 0.0
        """The longest time for which delivery was confirmed while nothing arrived."""
        self.confirmed = 0

    def _green(self) -> bool:
        parts = self._channel.parts
        on_air = parts.output.handler.status().state is OutputState.ON_AIR
        return on_air and parts.watch.delivery == "confirmed" and not parts.watch.sighting.stale

    def _true(self) -> bool:
        stand = self._channel.stand
        return stand.chat().call is not None and stand.world.stream is StreamState.ADVANCING

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look from here on."""
        over = threading.Event()

        def look() -> None:
            since = time.monotonic()
            while not over.wait(0.1):
                now, green = time.monotonic(), self._green()
                self.confirmed += green
                if not green or self._true():
                    since = now
                self.worst = max(self.worst, now - since)

        thread = threading.Thread(target=look, name="witness")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _disturb(channel: LiveChannel, answers: RandomAnswers, draw: random.Random, minute: int) -> None:
    """How often Telegram is right in this minute, and what others do: end or replace the stream, cut lines, or nothing."""
    stand, world = channel.stand, channel.stand.world
    answers.right = draw.choice((0.3, 0.6, 0.9, 0.97))
    stand.do(lambda: setattr(world, "stream", StreamState.ADVANCING))
    channel.parts.output.titles.want(f"title {minute}")
    match draw.choice(("nothing", "end", "stand", "empty", "drop", "replace")):
        case "end" if stand.chat().call is not None:
            stand.end_call()
        case "replace":
            ours = Call(id=9000 + minute, access_hash=1, rtmp_stream=True, owner=next(iter(world.users)))
            stand.begin_call(ours)
        case "stand":
            stand.do(lambda: setattr(world, "stream", StreamState.STANDING))
        case "empty":
            stand.do(lambda: setattr(world, "stream", StreamState.EMPTY))
        case "drop":
            stand.drop()


def _judge(channel: LiveChannel, witness: Witness, most: Counter[str], minute: int) -> None:
    parts, where = channel.parts, f"seed {SEED}, minute {minute}"
    defects = [one for one in channel.logs if one["log_level"] in {"error", "critical"} or one.get("exc_info")]
    assert not defects, (where, defects)
    assert not channel.logged("a part of the service ended and is restarted"), where
    assert channel.expired == 0, where
    assert not parts.keeper.degraded, where
    assert parts.keeper.state is not SessionState.EXPIRED, where
    assert parts.output.handler.status().state is not OutputState.SUSPENDED, where
    assert witness.worst <= FALSE_GREEN_SECONDS, where
    assert parts.watch.sighting.seconds_ago <= 20 * PACE.answer_seconds, where
    asked = Counter(name for name, _ in channel.stand.world.requests)
    channel.stand.do(channel.stand.world.requests.clear)
    for method, count in asked.items():
        most[method] = max(most[method], count)
        assert count <= 1.5 * 60, (where, method, count)
    # What the stands collect is no growth of the program's.
    channel.logs.clear()
    channel.events.clear()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "minutes", [1, pytest.param(MINUTES, marks=[pytest.mark.long, pytest.mark.timeout(60 * MINUTES)])]
)
def test_random_answers(tmp_path: Path, house_clip: Clip, minutes: int) -> None:
    """Random answers for an hour: no part dies, no session is lost, no claim is false, memory is flat, then all is well."""
    print(f"RANDOM_ANSWERS_SEED={SEED} RANDOM_ANSWERS_MINUTES={minutes}")  # noqa: T201 - to repeat a failure
    answers, draw = RandomAnswers(SEED), random.Random(SEED)  # noqa: S311 - the same sequence for the same seed
    resident: list[float] = []
    most: Counter[str] = Counter()
    with LiveChannel(tmp_path, house_clip) as channel:
        channel.write_env(channel.stand.session_string())
        channel.stand.do(lambda: setattr(channel.stand.world, "stream", StreamState.ADVANCING))
        channel.start(pace=PACE)
        channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed")
        witness = Witness(channel)
        channel.stand.do(lambda: setattr(channel.stand.world, "chance", answers))
        with witness.watching():
            for minute in range(minutes):
                _disturb(channel, answers, draw, minute)
                time.sleep(MINUTE)  # the length of the fault is what is tested
                _judge(channel, witness, most, minute)
                resident.append(psutil.Process().memory_info().rss / 1e6)
            answers.right = 1.0
            channel.stand.do(lambda: setattr(channel.stand.world, "stream", StreamState.ADVANCING))
            channel.until(lambda: channel.parts.watch.delivery == "confirmed", f"confirmed again, seed {SEED}")
            channel.until(lambda: channel.parts.keeper.state is SessionState.VALID, "valid")
            _heal(channel)
    quarter = max(1, minutes // 4)
    first, last = median(resident[:quarter]), median(resident[-quarter:])
    found = (
        f"{dict(answers.given)}; most a minute {dict(most)}; worst {witness.worst:.1f} s; {first:.1f} to {last:.1f} MB"
    )
    print(found)  # noqa: T201 - what was measured
    assert last - first < 8.0


def _heal(channel: LiveChannel) -> None:
    """A stream that is ended now is started again."""
    before: Any = channel.stand.chat().call
    assert before is not None
    channel.stand.end_call()
    channel.until(lambda: channel.stand.chat().call is not None, "a new call")
    channel.until(lambda: channel.parts.watch.delivery == "confirmed", "confirmed at last")
