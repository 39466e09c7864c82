"""A limit around each of Telethon's coroutines, with its errors as the project's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from tg_video_streamer.errors import SessionUnreachable
from tg_video_streamer.telegram.endings import translated

Answer = TypeVar("Answer")


async def within(call: Awaitable[Answer], seconds: float) -> Answer:
    """The result of `call`; raises SessionUnreachable after `seconds`, or what `endings` makes of its error.

    It runs as a task of its own, since Telethon cancels what waits when a connection breaks: that must not look like a
    cancellation of the caller.
    """
    task = asyncio.ensure_future(call)
    try:
        done, _ = await asyncio.wait({task}, timeout=max(seconds, 0.0))
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    if not done:
        raise SessionUnreachable(f"Telegram did not answer within {seconds:.0f} s")
    if task.cancelled():
        raise SessionUnreachable("the connection to Telegram broke before the answer came")
    if (error := task.exception()) is not None:
        raise translated(error) from error
    return task.result()
