"""The live picture for the page: subscribes to the program while somebody watches, and costs nothing otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

import structlog

from tg_video_streamer.clock import Clock, SystemClock
from tg_video_streamer.playout.fanout import Fanout, Subscription, SubscriptionClosed
from tg_video_streamer.web.preview.fmp4 import init_segment
from tg_video_streamer.web.preview.fragments import FEWEST_LISTED_SEGMENTS, Cutter, Fragment, Segment, Window, playlist

_log = structlog.get_logger(__name__)

_TAKE_SECONDS = 0.25
"""How often the thread asks whether anybody still watches when the program gives nothing."""
_FIRST_PLAYLIST_SECONDS = 10.0
"""How long a player waits for its first playlist: that takes three whole segments, and the wait for a keyframe."""
MOST_STREAMS = 32
"""Viewers of the progressive stream at once; each holds a connection."""


class Preview:
    """Fragments and segments of what is on air.

    The first request subscribes to the fan-out and starts a thread that cuts fragments; `grace_seconds` after the
    last sign of a viewer the thread unsubscribes and ends. A progressive viewer gives a sign by taking what is sent:
    one that is connected but does not read counts as gone, holds no memory of its own, and finds itself at the newest
    keyframe when it reads again. All methods are for the event loop's thread.
    """

    def __init__(
        self, fanout: Fanout, *, width: int, height: int, grace_seconds: float = 10.0, clock: Clock | None = None
    ) -> None:
        """`width` and `height`: the program's picture in pixels."""
        self.init_segment = init_segment(fanout.headers, width=width, height=height)
        self._fanout = fanout
        self._grace_seconds = grace_seconds
        self._clock = clock or SystemClock()
        self._window = Window()
        self._lock = threading.Lock()
        self._subscription: Subscription | None = None
        self._thread: threading.Thread | None = None
        self._last_sign = 0.0
        self._zero_ticks: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()
        self._closed = False
        self._streams = 0

    @property
    def running(self) -> bool:
        """Whether it is subscribed to the program now."""
        with self._lock:
            return self._subscription is not None

    @property
    def has_playlist(self) -> bool:
        """Whether an HLS player would start at once."""
        return len(self._window.listed()) >= FEWEST_LISTED_SEGMENTS

    @property
    def full(self) -> bool:
        """Whether no further progressive viewer is taken."""
        return self._streams >= MOST_STREAMS

    def touch(self) -> None:
        """Somebody watches now."""
        self._loop = asyncio.get_running_loop()
        with self._lock:
            self._last_sign = self._clock.monotonic()
            if self._subscription is not None or self._closed:
                return
            subscription = self._subscription = self._fanout.subscribe()
            self._thread = threading.Thread(target=self._cut, args=(subscription,), name="preview", daemon=True)
            self._thread.start()

    async def playlist(self) -> str | None:
        """The HLS playlist, as soon as it has segments enough; None where the program gives none."""
        deadline = self._clock.monotonic() + _FIRST_PLAYLIST_SECONDS
        while not self._closed and self._clock.monotonic() < deadline:
            self.touch()
            arrived = self._arrived
            if len(segments := self._window.listed()) >= FEWEST_LISTED_SEGMENTS:
                return playlist(segments)
            await self._wait(arrived)
        return None

    def segment(self, number: int) -> list[bytes] | None:
        """A segment's bytes in pieces; None where it is not (or no longer) kept."""
        self.touch()
        segment: Segment | None = self._window.segment(number)
        return None if segment is None else segment.parts(self._zero_ticks or 0)

    async def stream(self) -> AsyncIterator[bytes]:
        """One endless fragmented MP4 file that begins now, at its own time 0."""
        self._streams += 1
        try:
            yield self.init_segment
            fragment = await self._next_fragment(None)
            zero_ticks = fragment.first_ticks if fragment else 0
            while fragment is not None:
                yield fragment.header(zero_ticks) + fragment.content
                last, fragment = fragment, await self._next_fragment(fragment.number)
                if fragment is not None:
                    # What this viewer missed is closed up: a hole would show as a standing picture.
                    zero_ticks += fragment.ticks - last.end_ticks
        finally:
            self._streams -= 1

    def close(self) -> None:
        """End all streams and the thread, at once and for good."""
        with self._lock:
            self._closed = True
            subscription, thread = self._subscription, self._thread
        if subscription is not None:
            subscription.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._wake()

    async def _next_fragment(self, number: int | None) -> Fragment | None:
        """The fragment after `number`; None when the preview was closed."""
        while not self._closed:
            self.touch()
            # Taken before looking: what comes after the look sets it.
            arrived = self._arrived
            if (fragment := self._window.after(number)) is not None:
                return fragment
            await self._wait(arrived)
        return None

    async def _wait(self, arrived: asyncio.Event) -> None:
        """Until the next fragment, but not longer than the preview goes on without a sign of this viewer."""
        # Whoever waits for a silent program is still there: the caller says so again.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(1.0, self._grace_seconds / 2)):
                await arrived.wait()

    def _cut(self, subscription: Subscription) -> None:
        """The thread: packets into fragments until nobody watches or the program ends."""
        _log.debug("preview starts")
        cutter = Cutter(self._window.next_fragment)
        try:
            while self._is_watched():
                for packet in subscription.take(_TAKE_SECONDS):
                    if (fragment := cutter.push(packet)) is not None:
                        self._publish(fragment)
        except SubscriptionClosed:
            pass  # the program has ended, or `close` was called: both mean to stop
        finally:
            with self._lock:
                subscription.close()
                if self._subscription is subscription:
                    self._subscription = None
                    self._window.clear()
            _log.debug("preview ends", dropped=subscription.dropped)

    def _is_watched(self) -> bool:
        """Whether to go on; ending is decided under the lock, so that a viewer who comes now starts a new thread."""
        with self._lock:
            if self._clock.monotonic() - self._last_sign <= self._grace_seconds:
                return True
            self._subscription = None
            self._window.clear()
            return False

    def _publish(self, fragment: Fragment) -> None:
        if self._zero_ticks is None:
            self._zero_ticks = fragment.first_ticks
        self._window.add(fragment)
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._arrived.set()
        self._arrived = asyncio.Event()
