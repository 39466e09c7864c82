"""Brings what the playout reports from its thread into the event loop's, to the subscribers of the source's level."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from tg_video_streamer.events import SourceLevel
from tg_video_streamer.playout.source import PlayoutEvent, PlayoutListener


class PlayoutBridge:
    """`publish` is the playout's listener; the subscribers are called in the event loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._subscribers: defaultdict[SourceLevel, list[PlayoutListener]] = defaultdict(list)

    def subscribe(self, level: SourceLevel, *subscribers: PlayoutListener) -> None:
        """Call `subscribers`, in this order, with every later event of a source on `level`."""
        self._subscribers[level].extend(subscribers)

    def publish(self, event: PlayoutEvent) -> None:
        """Hand `event` on; callable from any thread, never blocks."""
        self._loop.call_soon_threadsafe(self._deliver, event)

    def _deliver(self, event: PlayoutEvent) -> None:
        for subscriber in self._subscribers[event.source.content.level]:
            subscriber(event)
