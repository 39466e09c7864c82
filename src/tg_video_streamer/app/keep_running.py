"""Keeps a side service running that must never take the program off the air: restarts it, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock

log = structlog.get_logger(__name__)

_PAUSES = Backoff(first=1.0, longest=60.0)
_HEALTHY_SECONDS = 60.0
"""One that ran for so long begins again with the shortest pause."""


async def keep_running(name: str, start: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run `start()` again whenever it ends, by whatever defect of ours, until cancelled."""
    failures = 0
    while True:
        began = clock.monotonic()
        try:
            await start()
        except Exception:
            log.exception("a side service failed and is started again; this is a defect of ours", service=name)
        else:
            log.warning("a side service ended and is started again", service=name)
        failures = 1 if clock.monotonic() - began > _HEALTHY_SECONDS else failures + 1
        await asyncio.sleep(_PAUSES.pause(failures))
