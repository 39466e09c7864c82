"""The wait of an output for a Telegram session; the output is `retrying` once a reason is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class SessionWait:
    """For the event loop's thread."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """`report` gets the reason, and an empty text at the end: see OutputHandler.waits."""
        self._report = report
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
        """There is none yet, because of `why`; the keeper is retrying."""
        self._why = why
        if self._waiting:
            self._report(why)

    async def over(self) -> None:
        """Return once there is one."""
        self._waiting = True
        try:
            if self._why:
                self._report(self._why)
            await self._came.wait()
            self._report("")
        finally:
            self._waiting = False
