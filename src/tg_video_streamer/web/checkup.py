"""The doctor's last look, and a next one in the background when somebody asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from tg_video_streamer.clock import Clock, SystemClock

_log = structlog.get_logger(__name__)


class Looked(Protocol):
    """What the doctor says about one thing."""

    @property
    def about(self) -> str:
        """A word or two."""

    @property
    def verdict(self) -> str:
        """ok, warning or problem."""

    @property
    def text(self) -> str:
        """What was found."""

    @property
    def remedy(self) -> str:
        """What to do; empty where nothing is."""


Look = Callable[[], Awaitable[Sequence[Looked]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckupState:
    """Whether the doctor looks now, what was found last and when; `looked_wall` is None before the first look."""

    looking: bool = False
    looked_wall: float | None = None
    findings: tuple[Looked, ...] = ()
    failed: bool = False
    """The look itself broke off; the log says why."""


async def _nothing() -> Sequence[Looked]:
    return ()


class Checkup:
    """One look at a time. Every method belongs to the event loop's thread."""

    def __init__(self, look: Look = _nothing, *, clock: Clock | None = None) -> None:
        """`look` has the doctor look at everything, which takes up to minutes; its texts hold no secret."""
        self._look = look
        self._clock = clock or SystemClock()
        self.state = CheckupState()

    def begin(self) -> bool:
        """Whether a look may begin, which is then to be carried out by `finish`; False while one is under way."""
        if self.state.looking:
            return False
        self.state = replace(self.state, looking=True)
        return True

    async def finish(self) -> None:
        """Look, and keep what was found."""
        findings, failed = self.state.findings, True
        try:
            findings, failed = tuple(await self._look()), False
        except Exception:  # noqa: BLE001 - whatever a look dies of, the page must say that it did
            _log.exception("the doctor failed")
        finally:
            self.state = CheckupState(looked_wall=self._clock.wall(), findings=findings, failed=failed)
