"""Calls HEARTBEAT_URL every minute while the channel is on air, so that a monitoring service notices an outage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from tg_video_streamer.control.status import ServiceStatus
from tg_video_streamer.monitoring.http_call import HttpCaller, http_target

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 60.0
TIMEOUT_SECONDS = 10.0
CHECK_SECONDS = 2.0
"""How soon a channel that returns to air is reported."""
_ON_AIR = frozenset({"on_air", "on_backup", "on_filler"})


def truly_on_air(status: ServiceStatus) -> bool:
    """Media leaves to every output that is meant to have it, and it is an item or filler, not the slate."""
    return status.healthy and status.channel_state in _ON_AIR


def heartbeat_problems(url: str) -> list[str]:
    """What is wrong with HEARTBEAT_URL, one line, which never repeats it."""
    if not url:
        return []
    try:
        http_target(url)
    except ValueError:
        return ["HEARTBEAT_URL: host, port or path cannot be read; write letters other than ASCII as %XX"]
    return []


class Heartbeat:
    """One call a period; a failure is logged once and affects nothing else."""

    def __init__(
        self,
        url: str,
        *,
        status: Callable[[], ServiceStatus],
        period_seconds: float = PERIOD_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """An empty `url` disables it. Raises ValueError as `http_target` does."""
        self._target = http_target(url) if url else None
        self._status = status
        self._period_seconds = period_seconds
        self._caller = HttpCaller(timeout_seconds=timeout_seconds)
        self._failing = False

    async def run(self) -> None:
        """Call while it is true, until cancelled."""
        if self._target is None:
            await asyncio.Event().wait()
            return
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            if truly_on_air(self._status()):
                self._log_change(await self._caller.call(self._target, self._target.request("GET")))
                # A call that took long shortens the pause.
                await asyncio.sleep(max(0.0, began + self._period_seconds - loop.time()))
            else:
                await asyncio.sleep(min(self._period_seconds, CHECK_SECONDS))

    def _log_change(self, problem: str) -> None:
        if problem and not self._failing:
            log.warning("heartbeat failed; retried each minute", reason=problem)
        elif self._failing and not problem:
            log.info("heartbeat works again")
        self._failing = bool(problem)
