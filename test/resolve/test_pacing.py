"""One queue for each site, which is asked more slowly while it limits requests."""

from __future__ import annotations

import asyncio

import pytest

from stands.virtual_time import SetClock
from tg_video_streamer.errors import ResolveError
from tg_video_streamer.resolve.failure import Failure
from tg_video_streamer.resolve.pacing import LONGEST_WAIT_SECONDS, PAUSES, SitePace


def limited() -> ResolveError:
    """The error of a site that limits requests."""
    error = ResolveError("too many requests", remedy="wait")
    error.reason = str(Failure.RATE_LIMITED)
    return error


class Paced:
    """A pace whose pauses pass on a set clock."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.waited: list[float] = []
        self.pace = SitePace(clock=self.clock, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.clock.now += seconds

    async def ask(self, url: str, error: ResolveError | None = None) -> None:
        """One request, which ends with `error`."""
        async with self.pace.turn(url):
            if error is not None:
                raise error


async def test_a_site_is_asked_one_at_a_time() -> None:
    """Two requests to a site and its subdomain follow each other; one to another site does not wait."""
    pace = Paced().pace
    running = 0
    most = 0
    entered = asyncio.Event()
    leave = asyncio.Event()

    async def ask(url: str) -> None:
        nonlocal running, most
        async with pace.turn(url):
            running += 1
            most = max(most, running)
            entered.set()
            await leave.wait()
            running -= 1

    async with asyncio.TaskGroup() as group:
        group.create_task(ask("https://www.youtube.com/1"))
        group.create_task(ask("https://youtube.com/2"))
        await entered.wait()
        async with pace.turn("https://vimeo.com/3"):
            assert running == 1
        leave.set()
    assert most == 1


async def test_pauses_grow_while_a_site_limits() -> None:
    """After each limited request the next one waits longer; one that works ends that."""
    paced = Paced()
    for _ in range(2):
        with pytest.raises(ResolveError):
            await paced.ask("https://youtube.com/1", limited())
    assert paced.waited == [PAUSES.first]
    await paced.ask("https://youtube.com/1")
    assert paced.waited == [PAUSES.first, PAUSES.pause(2)]
    await paced.ask("https://youtube.com/1")
    assert len(paced.waited) == 2


async def test_a_long_pause_fails_at_once() -> None:
    """A request that would wait long is refused with the time until the next one, so that something else plays."""
    paced = Paced()
    for _ in range(3):
        with pytest.raises(ResolveError):
            await paced.ask("https://m.youtube.com/1", limited())
    waited = list(paced.waited)
    assert PAUSES.pause(3) > LONGEST_WAIT_SECONDS
    with pytest.raises(ResolveError, match=r"youtube\.com limits requests") as caught:
        await paced.ask("https://youtube.com/1")
    assert caught.value.reason == Failure.RATE_LIMITED
    assert paced.waited == waited
    paced.clock.now += PAUSES.pause(3)
    await paced.ask("https://youtube.com/1")


async def test_other_errors_do_not_slow_a_site_down() -> None:
    """A video that is gone says nothing of the site."""
    paced = Paced()
    for _ in range(5):
        with pytest.raises(ResolveError):
            await paced.ask("https://youtube.com/1", ResolveError("gone", remedy="none"))
    assert paced.waited == []
