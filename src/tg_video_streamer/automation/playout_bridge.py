"""Brings what the playout reports from its thread into the event loop's, to the subscribers of the source's level."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from tg_video_streamer.events import SourceLevel
from tg_video_streamer.playout.source import PlayoutEvent, PlayoutListener
from tg_video_streamer.subscribers import Subscribers


class PlayoutBridge:
    """`publish` is the playout's listener; the subscribers are called in the event loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._subscribers: defaultdict[SourceLevel, Subscribers[[PlayoutEvent]]] = defaultdict(Subscribers)

    def subscribe(self, level: SourceLevel, subscriber: PlayoutListener) -> Callable[[], None]:
        """Call `subscriber` with every later event of a source on `level`; the returned function unsubscribes."""
        return self._subscribers[level].add(subscriber)

    def on_failure(self, act: Callable[[str, Exception], None]) -> None:
        """Call `act` with the name and the error of each subscriber that fails from now on."""
        for level in SourceLevel:
            self._subscribers[level].failed = act

    def publish(self, event: PlayoutEvent) -> None:
        """Hand `event` on; callable from any thread, never blocks."""
        self._loop.call_soon_threadsafe(self._deliver, event)

    def _deliver(self, event: PlayoutEvent) -> None:
        self._subscribers[event.source.content.level].call(event)
