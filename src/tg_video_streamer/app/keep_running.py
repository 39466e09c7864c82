"""Restarts side services that fail, with growing pauses: none of them may take the program off the air."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock

log = structlog.get_logger(__name__)

_PAUSES = Backoff(first=1.0, longest=60.0)
_HEALTHY_SECONDS = 60.0
"""After so long without a failure the pauses start from the shortest again."""


async def keep_running(name: str, start: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run `start()` again whenever it ends or raises, until cancelled."""
    failures = 0
    while True:
        began = clock.monotonic()
        try:
            await start()
        except Exception:
            log.exception("a side service failed and is restarted; this is a defect of the program", service=name)
        else:
            log.warning("a side service ended and is restarted", service=name)
        failures = 1 if clock.monotonic() - began > _HEALTHY_SECONDS else failures + 1
        await asyncio.sleep(_PAUSES.pause(failures))
