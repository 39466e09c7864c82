"""Puts a deadline on Telethon's coroutines and translates their errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from tg_video_streamer.errors import SessionUnreachable
from tg_video_streamer.telegram.client.boundary import translated

Answer = TypeVar("Answer")


class ConnectionBroke(SessionUnreachable):
    """The connection broke before the answer came; whether the request was carried out is unknown."""

    reason = "connection_broke"


async def within(call: Awaitable[Answer], seconds: float, *, broken: asyncio.Future[None] | None = None) -> Answer:
    """The result of `call`; raises SessionUnreachable after `seconds`, or its translated error.

    It runs in a separate task, since Telethon cancels pending requests when a connection breaks: that must not look like
    a cancellation of the caller. An unsent request would then wait without end, so `broken` is watched too.
    """
    task = asyncio.ensure_future(call)
    watched: set[asyncio.Future[Any]] = {task} if broken is None else {task, broken}
    try:
        await asyncio.wait(watched, timeout=max(seconds, 0.0), return_when=asyncio.FIRST_COMPLETED)
        gone = broken is not None and broken.done()
        if gone and not task.done():
            # Telethon hands its reason to those who wait just before it reports the end.
            await asyncio.wait({task}, timeout=0.05)
        answered = task.done()
    finally:
        await _ended(task, broken)
    if answered and not task.cancelled():
        if (error := task.exception()) is None:
            return task.result()
        failure = translated(error)
        if gone and isinstance(failure, SessionUnreachable):
            raise ConnectionBroke.because_of(failure) from error
        raise failure from error
    if answered or gone:
        raise ConnectionBroke.of("telegram.broke")
    raise SessionUnreachable.of("telegram.slow", seconds=seconds)


async def hang_up(client: Any) -> None:
    """Disconnect a client, and end everything that Telethon runs for it; raises SessionUnreachable after 5 s."""
    try:
        await within(client.disconnect(), 5.0)
    finally:
        # Read the exception, so that asyncio does not log it as never retrieved.
        gone = client.disconnected
        if gone.done() and not gone.cancelled():
            gone.exception()
        else:
            gone.cancel()


async def _ended(task: asyncio.Future[Any], broken: asyncio.Future[None] | None) -> None:
    """Cancel the task, and retrieve the exceptions that asyncio would log."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        # A caller that was cancelled meanwhile does not read it.
        task.exception()
    if broken is None:
        return
    if broken.done() and not broken.cancelled():
        broken.exception()
    broken.cancel()
