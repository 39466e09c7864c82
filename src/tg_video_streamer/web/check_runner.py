"""Runs the doctor's checks in the background and stores the last findings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from tg_video_streamer.clock import Clock, SystemClock
from tg_video_streamer.locales.message import Message

_log = structlog.get_logger(__name__)


class Finding(Protocol):
    """The result of one check."""

    @property
    def about(self) -> Message:
        """The subject, in a word or two."""

    @property
    def verdict(self) -> str:
        """ok, warning or problem."""

    @property
    def text(self) -> Message:
        """What was found."""

    @property
    def remedy(self) -> Message | None:
        """What to do, if anything."""


RunChecks = Callable[[], Awaitable[Sequence[Finding]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckRunState:
    """`finished_wall` is None before the first run has finished."""

    running: bool = False
    finished_wall: float | None = None
    findings: tuple[Finding, ...] = ()
    failed: bool = False
    """The last run broke off; the log says why."""


async def _no_checks() -> Sequence[Finding]:
    return ()


class CheckRunner:
    """Allows one run at a time. Use it in the event loop's thread only."""

    def __init__(self, run_checks: RunChecks = _no_checks, *, clock: Clock | None = None) -> None:
        """`run_checks` may take minutes; its findings contain no secret."""
        self._run_checks = run_checks
        self._clock = clock or SystemClock()
        self.state = CheckRunState()

    def try_start(self) -> bool:
        """Reserve the next run, then carried out by `run`; False while one is in progress."""
        if self.state.running:
            return False
        self.state = replace(self.state, running=True)
        return True

    async def run(self) -> None:
        """Run all checks and store the findings."""
        findings, failed = self.state.findings, True
        try:
            findings, failed = tuple(await self._run_checks()), False
        except Exception:  # noqa: BLE001 - whatever the cause, the page must report that the run failed
            _log.exception("checks failed")
        finally:
            self.state = CheckRunState(finished_wall=self._clock.wall(), findings=findings, failed=failed)
