"""Restarts parts that fail, each made anew, with growing pauses: none of them may take the program off the air."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog

from tg_video_streamer.app.restarts import Restarts
from tg_video_streamer.backoff import Backoff

log = structlog.get_logger(__name__)

PAUSES = Backoff(first=1.0, longest=60.0)
PROGRAM_PAUSES = Backoff(first=0.2, longest=5.0)
"""Between the restarts of a part that decides what plays: until it is back, viewers see what is left, and then the slate."""
_HEALTHY_SECONDS = 60.0
"""After so long without a failure the pauses start from the shortest again."""


class Part(Protocol):
    """What runs as long as the service; it keeps nothing for a later part of its kind but what it was given."""

    async def run(self) -> None:
        """Run until cancelled, and undo every subscription before the return."""


MakePart = Callable[[], Part]
Running = TypeVar("Running", bound=Part)
Answer = TypeVar("Answer")


class Keep(Protocol):
    """Keeps a part running: see `keep_running`."""

    def __call__(self, name: str, make: MakePart, pauses: Backoff = PAUSES) -> Coroutine[Any, Any, None]:
        """Run what `make` makes until cancelled."""


class KeepRunning(Protocol):
    """As `keep_running`, which a test may wrap."""

    def __call__(
        self, name: str, make: MakePart, pauses: Backoff = PAUSES, *, restarts: Restarts
    ) -> Coroutine[Any, Any, None]:
        """Run what `make` makes until cancelled."""


@dataclass(frozen=True, slots=True)
class Endless:
    """A part that is one coroutine function, which begins from nothing at each call."""

    start: Callable[[], Coroutine[Any, Any, None]]

    async def run(self) -> None:
        """See Part."""
        await self.start()


class Anew(Generic[Running]):
    """Makes a part at each start, and shows the one that runs now to those who read from it."""

    def __init__(self, make: Callable[[], Running]) -> None:
        """`make` is called at once, so that there is one to read from before the start."""
        self._make = make
        self._started = False
        self.current = make()

    def ask(self, question: Callable[[Running], Answer]) -> Callable[[], Answer]:
        """Asks `question` of the part that runs at the time of the call."""
        return lambda: question(self.current)

    def __call__(self) -> Running:
        """The part for the next start."""
        if self._started:
            self.current = self._make()
        self._started = True
        return self.current


async def keep_running(name: str, make: MakePart, pauses: Backoff = PAUSES, *, restarts: Restarts) -> None:
    """Run a part that `make` makes, and another one whenever it ends or raises, until cancelled."""
    loop, failures = asyncio.get_running_loop(), 0
    while True:
        began = loop.time()
        error = await _failure(name, make)
        restarts.add(name, error)
        failures = 1 if loop.time() - began > _HEALTHY_SECONDS else failures + 1
        await asyncio.sleep(pauses.pause(failures))


async def _failure(name: str, make: MakePart) -> BaseException:
    """Run one part to its end, in a task of its own; why it ended."""
    # No TaskGroup: in Python 3.11 a failure in one leaves its owner looking cancelled.
    task = asyncio.get_running_loop().create_task(_run(make), name=name)
    try:
        await asyncio.wait({task})
    finally:
        await _ended(name, task)
    if task.cancelled():
        # A cancellation that nobody asked for would otherwise end the part in silence.
        error: BaseException = RuntimeError("it was canceled from inside")
    elif (found := task.exception()) is not None:
        error = cause_of(found)
        log.error(
            "a part of the service failed and is restarted; this is a defect of the program", part=name, exc_info=found
        )
        return error
    else:
        error = RuntimeError("it ended")
    log.warning("a part of the service ended and is restarted", part=name, why=str(error))
    return error


async def _ended(name: str, task: asyncio.Task[None]) -> None:
    """Cancel a part that still runs, since the service ends, and wait until it has ended."""
    if task.done():
        return
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a part of the service ended badly", part=name, exc_info=error)


async def _run(make: MakePart) -> None:
    await make().run()


def cause_of(error: BaseException) -> BaseException:
    """The first error in a group of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
