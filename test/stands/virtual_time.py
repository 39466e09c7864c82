"""Time by a test's leave: a clock that stands until it is set, and an event loop whose hours take none."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from tg_video_streamer.clock import SystemClock


class SetClock:
    """A Clock that stands until a test sets `now`, the time of both its hands."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        """See Clock."""
        return self.now

    def wall(self) -> float:
        """See Clock."""
        return self.now


class AheadClock(SystemClock):
    """The system's clock, and `ahead` seconds more that have passed; its date is right."""

    ahead = 0.0

    def monotonic(self) -> float:
        """See Clock."""
        return super().monotonic() + self.ahead


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing, and counts for how long it would have waited."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See selectors."""
        assert timeout is not None, "everything in the loop waits for something that never comes"
        self.waited += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Where nothing is ready, its clock jumps to what is due next: nothing may wait for a process or socket in it.

    What is meant for a thread is done at once, in no time. Also a Clock: the same time, for what is given one.
    """

    def __init__(self) -> None:
        self._jumping = _Jumping()
        self.wall_offset = 1_700_000_000.0
        super().__init__(self._jumping)

    def time(self) -> float:
        """See asyncio."""
        return 1000.0 + self._jumping.waited

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """See asyncio; a thread would take time of another clock."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as an executor does it
            done.set_exception(error)
        return done

    def monotonic(self) -> float:
        """See Clock."""
        return self.time()

    def wall(self) -> float:
        """See Clock."""
        return self.wall_offset + self.time()


def run_for(loop: VirtualLoop, seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` for so long in the loop's time, unless it ends before; it is cancelled then."""

    async def bounded() -> None:
        try:
            async with asyncio.timeout(seconds):
                await work
        except TimeoutError:
            return

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(bounded())


def run_whole(work: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    """Run `work` to its end; it gets the loop, which is its clock."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work(loop))
