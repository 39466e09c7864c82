"""Runs the long reads of pages and API one after the other in a thread, and refuses more when many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tg_video_streamer.errors import RequestRefused
from tg_video_streamer.locales.message import Message

Result = TypeVar("Result")

MAX_WAITING = 8
_RETRY_SECONDS = 5.0


class OneAtATime:
    """Readers of the whole as-run log share one thread's time: it must not be taken from the program."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()
        self._present = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """`work` in a thread, after those before it. Raises what it raises, and RequestRefused with 503 if many wait."""
        if self._present > MAX_WAITING:
            raise RequestRefused(Message.of("web.busy"), status=503, seconds=_RETRY_SECONDS)
        self._present += 1
        try:
            async with self._free:
                return await asyncio.to_thread(work)
        finally:
            self._present -= 1
