"""The supervision of the service's parts: each is made anew, and one that fails again and again is a problem."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import structlog

from stands.virtual_time import VirtualLoop, run_whole
from tg_video_streamer.app.keep_running import Anew, Endless, MakePart, keep_running
from tg_video_streamer.app.restarts import Restarts
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.control.health import side_problems
from tg_video_streamer.errors import SessionUnreachable
from tg_video_streamer.events import Event, EventBus, PartChanged
from tg_video_streamer.locales.message import Message
from tg_video_streamer.monitoring.alerts.evaluator import AlertEvaluator

STEADY = Backoff(first=10.0, longest=10.0)


async def _awaits_what_was_cancelled() -> None:
    gone = asyncio.get_running_loop().create_future()
    gone.cancel()
    await gone


async def _loses_a_task() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_raises())
        await asyncio.Event().wait()


async def _raises() -> None:
    raise ValueError("the key is s3cret")


async def _refuses() -> None:
    raise SessionUnreachable.of("telegram.not_connected")


async def _returns() -> None:
    """End."""


ENDINGS: dict[str, tuple[Callable[[], Coroutine[Any, Any, None]], str]] = {
    "an error": (_raises, "ValueError: the key is ***"),
    "an error of ours": (_refuses, str(Message.of("telegram.not_connected"))),
    "the error of a task": (_loses_a_task, "ValueError: the key is ***"),
    "a return": (_returns, "RuntimeError: it ended"),
    "a cancellation from inside": (_awaits_what_was_cancelled, "RuntimeError: it was canceled from inside"),
}


async def _kept(loop: VirtualLoop, make: MakePart, seconds: float, events: list[Event]) -> Restarts:
    restarts = Restarts(clock=loop, publish=events.append, redact=lambda text: text.replace("s3cret", "***"))
    async with asyncio.TaskGroup() as tasks:
        kept = tasks.create_task(keep_running("a part", make, STEADY, restarts=restarts))
        await asyncio.sleep(seconds)
        kept.cancel()
    return restarts


@pytest.mark.parametrize("ending", ENDINGS)
def test_whatever_ends_a_part_another_one_follows(ending: str) -> None:
    """However a part ends, it is made anew, and the error is counted and told in one line without secrets."""
    start, told = ENDINGS[ending]
    made: list[Endless] = []

    def make() -> Endless:
        made.append(Endless(start))
        return made[-1]

    async def work(loop: VirtualLoop) -> None:
        restarts = await _kept(loop, make, 25.0, [])
        assert len(made) == 3
        assert len(set(map(id, made))) == 3
        (fact,) = restarts.facts()
        assert (fact.restarts, fact.unstable, fact.last_error) == (3, True, told)

    with structlog.testing.capture_logs() as logs:
        run_whole(work)
    assert [line["part"] for line in logs] == ["a part"] * 3


def test_a_part_that_cannot_be_made_is_tried_again() -> None:
    """A factory that raises is a failure of its part, not of the service."""
    tries: list[int] = []

    def make() -> Endless:
        tries.append(1)
        raise OSError("no room")

    run_whole(lambda loop: _discard(_kept(loop, make, 25.0, [])))
    assert len(tries) == 3


async def _discard(work: Coroutine[Any, Any, Restarts]) -> None:
    await work


def test_the_end_of_the_service_ends_a_part_that_fails_at_its_end() -> None:
    """A part that raises while it is canceled is not started again: the service can end."""
    starts: list[int] = []

    async def clumsy() -> None:
        starts.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            await _raises()

    async def work(loop: VirtualLoop) -> None:
        restarts = await _kept(loop, lambda: Endless(clumsy), 1.0, [])
        await asyncio.sleep(100)
        assert (len(starts), restarts.facts()) == (1, ())

    run_whole(work)


def test_a_part_that_fails_again_and_again_is_a_problem_until_it_is_stable() -> None:
    """The third restart within five minutes is a problem, an event and an alert; five minutes without one end all three."""
    events: list[Event] = []
    breaks = asyncio.Event()

    async def part() -> None:
        await breaks.wait()
        breaks.clear()
        raise KeyError("GroupCallDiscarded")

    async def work(loop: VirtualLoop) -> None:
        restarts = Restarts(clock=loop, publish=events.append)

        def problems() -> list[str]:
            return [str(one) for one in side_problems(parts=restarts.facts(), session_state="valid")]

        async with asyncio.TaskGroup() as tasks:
            kept = tasks.create_task(keep_running("chat", lambda: Endless(part), STEADY, restarts=restarts))
            for pause in (1.0, 200.0, 200.0, 60.0):
                assert problems() == []
                await asyncio.sleep(pause)
                breaks.set()
                await asyncio.sleep(20.0)
            assert problems() == ["the part chat fails again and again (4 failures): KeyError: 'GroupCallDiscarded'"]
            await asyncio.sleep(270.0)
            assert problems() != []
            await asyncio.sleep(20.0)
            assert problems() == []
            assert restarts.facts()[0].restarts == 4
            kept.cancel()

    run_whole(work)
    assert [(one.part, one.unstable) for one in events if isinstance(one, PartChanged)] == [
        ("chat", True),
        ("chat", False),
    ]
    evaluator = AlertEvaluator(after_seconds=60)
    texts = [alert.message.text for event in events for alert in evaluator.on_event(event, 0.0)]
    assert len(texts) == 2
    assert "KeyError" in texts[0]
    assert "five minutes without a restart" in texts[1]


def test_those_who_read_see_the_part_that_runs() -> None:
    """What others read of a part is that of the one that runs now, also between two starts."""

    class Counted(Endless):
        made = 0

        def __init__(self) -> None:
            super().__init__(_returns)
            Counted.made += 1
            object.__setattr__(self, "number", Counted.made)

    async def work(loop: VirtualLoop) -> None:
        parts = Anew(Counted)
        number = parts.ask(lambda one: getattr(one, "number", 0))
        assert number() == 1
        await _kept(loop, parts, 25.0, [])
        assert number() == 3

    run_whole(work)


async def test_a_subscriber_that_fails_harms_no_other() -> None:
    """An event reaches all subscribers, whatever one of them raises, and none that has unsubscribed; a failure is counted."""
    bus = EventBus(asyncio.get_running_loop())
    got: list[Event] = []

    def broken(_event: Event) -> None:
        raise AttributeError("no such attribute")

    failures: list[str] = []
    bus.on_failure(lambda name, error: failures.append(f"{name}: {error}"))
    bus.subscribe(broken)
    bus.subscribe(got.append)
    undo = bus.subscribe(got.append)
    event = PartChanged(wall=0.0, part="chat", unstable=True, restarts=3, error="")
    bus.publish(event)
    await asyncio.sleep(0)
    assert got == [event, event]
    undo()
    undo()
    bus.publish(event)
    await asyncio.sleep(0)
    assert len(got) == 3
    assert failures == [f"subscriber {broken.__qualname__}: no such attribute"] * 2
