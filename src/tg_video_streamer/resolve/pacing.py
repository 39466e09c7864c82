"""Asks each site one question at a time, and more slowly while it limits requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import ResolveError
from tg_video_streamer.resolve.failure import LIMITED, Failure
from tg_video_streamer.resolve.proxies import site_host

log = structlog.get_logger(__name__)

PAUSES = Backoff(first=5.0, longest=900.0, factor=3.0)
"""Between two requests to a site that has limited n requests in a row."""
LONGEST_WAIT_SECONDS = 20.0
"""A request that would wait longer fails at once: its cached encode or the next item plays instead."""


@dataclass(kw_only=True, slots=True)
class _Site:
    """One site's queue."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    limited: int = 0
    """Requests in a row that it has limited."""
    free_at: float = 0.0


class SitePace:
    """One queue for each site; it belongs to the event loop."""

    def __init__(self, *, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._sites: dict[str, _Site] = {}

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        """The block asks the site of `url`; a ResolveError that leaves it counts.

        Raises ResolveError if the site may not be asked for longer than LONGEST_WAIT_SECONDS.
        """
        host = ".".join(site_host(url).split(".")[-2:])
        site = self._sites.setdefault(host, _Site())
        async with site.turn:
            wait = site.free_at - self._clock.monotonic()
            if wait > LONGEST_WAIT_SECONDS:
                error = ResolveError.of("ytdlp.paced", site=host, seconds=wait)
                error.reason = str(Failure.RATE_LIMITED)
                raise error
            if wait > 0:
                await self._sleep(wait)
            try:
                yield
            except ResolveError as error:
                if error.reason in LIMITED:
                    self._limited(site, host)
                raise
            site.limited = 0

    def _limited(self, site: _Site, host: str) -> None:
        site.limited += 1
        pause = PAUSES.pause(site.limited)
        site.free_at = self._clock.monotonic() + pause
        log.info("the site limits requests, it is asked more slowly", site=host, pause_seconds=pause)
