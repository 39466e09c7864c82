"""The live preview: subscribes to the program only while someone watches."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

import structlog

from tg_video_streamer.clock import Clock, SystemClock
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.playout.fanout import Fanout, Subscription, SubscriptionClosed
from tg_video_streamer.web.preview.fmp4 import init_segment
from tg_video_streamer.web.preview.fragments import (
    MIN_LISTED_SEGMENTS,
    Fragment,
    Fragmenter,
    PreviewSegment,
    SegmentBuffer,
    playlist,
)

_log = structlog.get_logger(__name__)

_TAKE_SECONDS = 0.25
"""How often the thread checks for viewers when the program sends nothing."""
_FIRST_PLAYLIST_SECONDS = 10.0
"""The time limit for the first playlist, which needs three segments and a keyframe."""


class Preview:
    """Fragments and segments of the program.

    The first request subscribes to the fan-out and starts a thread that builds fragments; `grace_seconds` after the
    last activity of a viewer the thread unsubscribes and ends. A progressive viewer is active while it reads: one that
    does not read costs no memory, and continues at the newest keyframe. Use it in the event loop's thread only.
    """

    def __init__(
        self, fanout: Fanout, house: HouseFormat, *, grace_seconds: float = 10.0, clock: Clock | None = None
    ) -> None:
        """`house`: the program's format."""
        self.init_segment = init_segment(fanout.headers, house)
        self.width, self.height = house.width, house.height
        """Of the picture, in pixels."""
        self._fanout = fanout
        self._grace_seconds = grace_seconds
        self._clock = clock or SystemClock()
        self._window = SegmentBuffer()
        self._lock = threading.Lock()
        self._subscription: Subscription | None = None
        self._thread: threading.Thread | None = None
        self._last_activity = 0.0
        self._zero_ticks: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()
        self._closed = False
        self._streams = 0
        self.max_streams = 32
        """Viewers of the progressive stream, each of whom holds a connection; set by the server."""

    @property
    def running(self) -> bool:
        """Whether it is subscribed to the program."""
        with self._lock:
            return self._subscription is not None

    @property
    def has_playlist(self) -> bool:
        """Whether an HLS player can start at once."""
        return len(self._window.listed()) >= MIN_LISTED_SEGMENTS

    @property
    def full(self) -> bool:
        """Whether no further progressive viewer is accepted."""
        return self._streams >= self.max_streams

    def touch(self) -> None:
        """Record activity of a viewer."""
        self._loop = asyncio.get_running_loop()
        with self._lock:
            self._last_activity = self._clock.monotonic()
            if self._subscription is not None or self._closed:
                return
            subscription = self._subscription = self._fanout.subscribe()
            self._thread = threading.Thread(target=self._run, args=(subscription,), name="preview", daemon=True)
            self._thread.start()

    async def playlist(self) -> str | None:
        """The HLS playlist once it has enough segments; None if the program sends nothing."""
        deadline = self._clock.monotonic() + _FIRST_PLAYLIST_SECONDS
        while not self._closed and self._clock.monotonic() < deadline:
            self.touch()
            arrived = self._arrived
            if len(segments := self._window.listed()) >= MIN_LISTED_SEGMENTS:
                return playlist(segments)
            await self._wait(arrived)
        return None

    def segment(self, number: int) -> list[bytes] | None:
        """A segment's bytes in pieces; None if it is not stored."""
        self.touch()
        segment: PreviewSegment | None = self._window.segment(number)
        return None if segment is None else segment.parts(self._zero_ticks or 0)

    async def stream(self) -> AsyncIterator[bytes]:
        """An endless fragmented MP4 file that starts now at time 0."""
        self._streams += 1
        try:
            yield self.init_segment
            fragment = await self._next_fragment(None)
            zero_ticks = fragment.first_ticks if fragment else 0
            while fragment is not None:
                yield fragment.header(zero_ticks) + fragment.content
                last, fragment = fragment, await self._next_fragment(fragment.number)
                if fragment is not None:
                    # Close the gap of what this viewer missed: it would show as a frozen picture.
                    zero_ticks += fragment.ticks - last.end_ticks
        finally:
            self._streams -= 1

    def close(self) -> None:
        """End all streams and the thread, permanently."""
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
            # Read before the check: a fragment that arrives later sets it.
            arrived = self._arrived
            if (fragment := self._window.after(number)) is not None:
                return fragment
            await self._wait(arrived)
        return None

    async def _wait(self, arrived: asyncio.Event) -> None:
        """Wait for the next fragment, at most half of the grace period."""
        # A viewer that waits for a silent program is active: the caller calls `touch` again.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(1.0, self._grace_seconds / 2)):
                await arrived.wait()

    def _run(self, subscription: Subscription) -> None:
        """The thread: build fragments until no one watches or the program ends."""
        _log.debug("preview starts")
        fragmenter = Fragmenter(self._fanout.rate, self._window.next_fragment)
        try:
            while self._is_watched():
                for packet in subscription.take(_TAKE_SECONDS):
                    if (fragment := fragmenter.push(packet)) is not None:
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
        """Whether to continue; decided under the lock, so that a new viewer starts a new thread."""
        with self._lock:
            if self._clock.monotonic() - self._last_activity <= self._grace_seconds:
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
