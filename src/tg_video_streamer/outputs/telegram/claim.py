"""Claims the one call that a chat has: uses it, ends our own of the other kind, or waits for that of others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

import structlog

from tg_video_streamer.errors import CallInTheWay, TelegramRefused
from tg_video_streamer.locales.message import Message

if TYPE_CHECKING:
    from tg_video_streamer.telegram.answers.calls import RunningCall
    from tg_video_streamer.telegram.livestream.livestream import LiveStream

log = structlog.get_logger(__name__)

BUSY_SECONDS = 15.0
"""How often it is asked whether the chat is free; an update that a call is over asks at once."""


class CallClaim:
    """For the event loop's thread; Telethon is loaded by the first `call`, or before."""

    def __init__(self, report: Callable[[Message | None], None], *, may_end: bool) -> None:
        """`report` gets what is waited for, and None at the end: see OutputHandler.waits.

        `may_end`: the settings allow both kinds of call, so that our own of one kind may make place for the other.
        """
        self._report = report
        self._may_end = may_end
        self._starter: tuple[int, str] = 0, ""
        """The call of others that was in the way last, and who started it."""
        self._busy = ""
        """What is waited for; it is logged once."""
        self._changed = asyncio.Event()

    def over(self) -> None:
        """Some call is over: ask at once whether the chat is free."""
        self._changed.set()

    async def live_stream(self, live: LiveStream, title: str) -> RunningCall:
        """The chat's live stream, started where there is no call; raises CallInTheWay, TelegramRefused, SessionError."""
        if (call := await self.call(live, rtmp=True)) is not None:
            return call
        try:
            return await live.started(title)
        except TelegramRefused as refused:
            # Another administrator was quicker.
            if refused.word != "GROUPCALL_ALREADY_STARTED" or (call := await self.call(live, rtmp=True)) is None:
                raise
            return call

    async def call(self, live: LiveStream, *, rtmp: bool) -> RunningCall | None:
        """The chat's call, where it is of the wanted kind; None where one may be started.

        A call of the other kind is ended only where it is our own and nobody else is in it. Raises CallInTheWay for any
        other call, which says whose it is.
        """
        ownership = import_module("tg_video_streamer.telegram.call.ownership")
        facts = await live.facts()
        way = ownership.way_with(facts, rtmp=rtmp, may_end=self._may_end)
        if facts is None or facts.call is None or way is ownership.Way.FREE:
            return None
        if way is ownership.Way.USE:
            return facts.call
        if way is ownership.Way.END:
            log.info("our own call of the other kind is ended", rtmp=facts.call.rtmp)
            await live.end(facts.call)
            return None
        if self._starter[0] != facts.call.id:
            self._starter = facts.call.id, await live.starter(facts.call)
        raise CallInTheWay(ownership.in_the_way(facts, starter=self._starter[1]))

    async def wait(self, busy: CallInTheWay) -> None:
        """Wait until what is in the way may be over, with its words in the output's state."""
        if self._busy != busy.what:
            self._busy = busy.what
            log.warning("the chat has another call; the output waits", why=busy.what, remedy=busy.remedy)
        self._changed.clear()
        self._report(busy.full_message)
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return

    def claimed(self) -> None:
        """Nothing is in the way any longer."""
        if self._busy:
            self._busy = ""
            self._report(None)
