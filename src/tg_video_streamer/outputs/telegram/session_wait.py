"""The wait of an output that can do nothing without a Telegram session: `retrying` as soon as it is known why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class SessionWait:
    """For the event loop's thread."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """`tell` gets why it takes so long, and an empty text when it is over: see OutputHandler.waits."""
        self._tell = tell
        self._came = asyncio.Event()
        self._waiting = False
        self._why = ""

    def came(self) -> None:
        """There is a session."""
        self._why = ""
        self._came.set()

    def went(self) -> None:
        """There is none any longer."""
        self._came.clear()

    def delayed(self, why: str) -> None:
        """It cannot be had now, and others try again."""
        self._why = why
        if self._waiting:
            self._tell(why)

    async def over(self) -> None:
        """Return once there is one."""
        self._waiting = True
        try:
            if self._why:
                self._tell(self._why)
            await self._came.wait()
            self._tell("")
        finally:
            self._waiting = False
