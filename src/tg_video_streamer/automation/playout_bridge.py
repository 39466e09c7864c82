"""Brings the playout's word from its thread into the event loop's, to whoever owns what went on air or came off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tg_video_streamer.events import SourceLevel
from tg_video_streamer.playout.playout import Change, Listener
from tg_video_streamer.playout.source import AirSource


class PlayoutBridge:
    """`listen` is the playout's listener; those who are to hear are put in before it starts."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.of_items: tuple[Listener, ...] = ()
        """In the order in which they hear of items."""
        self.of_live: Listener | None = None
        self.of_filler: Callable[[Change, AirSource], None] | None = None

    def listen(self, change: Change, showing: AirSource, reason: str) -> None:
        """Callable from any thread."""
        self._loop.call_soon_threadsafe(self._heard, change, showing, reason)

    def _heard(self, change: Change, showing: AirSource, reason: str) -> None:
        if showing.level is SourceLevel.LIVE:
            if self.of_live is not None:
                self.of_live(change, showing, reason)
        elif showing.level is not SourceLevel.FILLER:
            for hear in self.of_items:
                hear(change, showing, reason)
        elif self.of_filler is not None:
            self.of_filler(change, showing)
