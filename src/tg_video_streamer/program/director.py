"""The director: keeps the next item primed, tells the playout what may go on air, and learns from what happened.

One loop reconciles what is with what should be, whenever something changes: a feed's state, a cut on air, the playlist,
the queue, or the time at which a source may be tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import PlaylistError, SourceGone
from tg_video_streamer.events import Rung
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.states import FeedState
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.program.playout import Change, Playout
from tg_video_streamer.program.slate import SlateReason
from tg_video_streamer.program.source import Showing
from tg_video_streamer.resolve.media import Expansion

log = structlog.get_logger(__name__)

EXPIRY_MARGIN_SECONDS = 90.0
"""A primed item whose URLs end sooner than this is primed anew: it must not go on air with dead ones."""
LIVE_GRACE_SECONDS = 60.0
"""How long viewers see filler or slate before a live source that broke off is given up for the next item."""
SLOW_GRACE_SECONDS = 10.0
"""The same for a source that still comes, only too slowly."""


class FeedMaker(Protocol):
    """Makes the feed of an item; it does nothing until its `run`."""

    def __call__(self, item: Item, *, start_seconds: float, changed: Callable[[], None]) -> Feed:
        """`start_seconds` counts from the item's own beginning; `changed` is called at each change of the feed."""


@dataclass(kw_only=True, eq=False)
class _Act:
    """An item on its way through the programme."""

    item: Item
    feed: Feed
    task: asyncio.Task[None]
    resumes: bool
    showing: Showing | None = None
    """Set once it was offered."""

    @property
    def over(self) -> bool:
        """Its feed gives no more packets, for good or bad."""
        return self.feed.state in {FeedState.ENDED, FeedState.FAILED}


class Director:
    """Owns the feeds. All methods belong to the event loop's thread; `run` lasts until it is cancelled."""

    def __init__(
        self,
        *,
        rotation: Rotation,
        quarantine: Quarantine,
        playout: Playout,
        make_feed: FeedMaker,
        expanded: Callable[[Item, Expansion], None],
        clock: Clock,
    ) -> None:
        """`rotation` may be edited by others, who then call `renew_next`; `expanded` hears of items that are lists."""
        self._rotation = rotation
        self._quarantine = quarantine
        self._playout = playout
        self._make_feed = make_feed
        self._expanded = expanded
        self._clock = clock
        self._woken = asyncio.Event()
        self._next: _Act | None = None
        self._on_air: _Act | None = None
        self.first_item = asyncio.Event()
        """Set once something may go on air, or it is known that nothing can for now."""

    @property
    def on_air(self) -> Feed | None:
        """The feed of the item that is on air or waits behind the slate."""
        return self._on_air.feed if self._on_air is not None else None

    @property
    def next_feed(self) -> Feed | None:
        """The feed of the item that is being primed, or is."""
        return self._next.feed if self._next is not None else None

    @property
    def item(self) -> Item | None:
        """The item that is on air or waits behind the slate."""
        return self._on_air.item if self._on_air is not None else None

    def wake(self) -> None:
        """Something has changed: look at everything again, soon."""
        self._woken.set()

    def heard(self, change: Change, showing: Showing, reason: str) -> None:
        """The playout's word on a showing, brought into this thread by whoever connects the two."""
        if change is Change.WENT_ON:
            self._went_on(showing)
        else:
            self._came_off(showing, reason)
        self.wake()

    def renew_next(self) -> None:
        """The order has changed: what is primed must be the rotation's next again."""
        self.wake()
        act = self._next
        if act is None:
            return
        wanted = self._rotation.next_available(self._available)
        if wanted is not None and wanted.key == act.item.key:
            return
        if act.showing is None or self._playout.withdraw(act.showing):
            self._drop_next()

    async def run(self) -> None:
        """Keep the next item primed until cancelled; every feed has ended when this returns."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                pause = self._reconcile(tasks)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._woken.wait()

    # Reconciling

    def _reconcile(self, tasks: asyncio.TaskGroup) -> float | None:
        """Bring the next item a step forward; seconds after which to look again in any case, None for never."""
        pause: float | None = None
        act = self._next
        if act is not None and act.feed.expansion is not None:
            self._drop_next()
            self._expand(act.item, act.feed.expansion)
            act = None
        if act is not None and act.feed.state is FeedState.FAILED:
            self._drop_next()
            error = act.feed.last_error
            reason = error.reason if error is not None else ""
            self._quarantine.failed(act.item.key, reason, gone=isinstance(error, SourceGone))
            act = None
        if act is None:
            pause = self._prime(tasks)
            act = self._next
        if act is None:
            self.first_item.set()
            return pause
        return self._ready(act)

    def _prime(self, tasks: asyncio.TaskGroup) -> float | None:
        """Start the feed of the next item, unless nothing may be tried now; seconds until something may."""
        item = self._rotation.next_available(self._available)
        if item is None:
            self._explain()
            return self._quarantine.seconds_to_wait() or None
        start_seconds = self._rotation.resume_seconds(item)
        feed = self._make_feed(item, start_seconds=start_seconds, changed=self.wake)
        task = tasks.create_task(feed.run(), name=f"feed {item.key}")
        self._next = _Act(item=item, feed=feed, task=task, resumes=start_seconds > 0)
        return None

    def _ready(self, act: _Act) -> float | None:
        """Offer the primed item to the playout; prime it anew where its URLs are about to end."""
        feed = act.feed
        pause: float | None = None
        if feed.expires_wall is not None and not act.over:
            left = feed.expires_wall - self._clock.wall() - EXPIRY_MARGIN_SECONDS
            if left <= 0 and feed.primed:
                if act.showing is None or self._playout.withdraw(act.showing):
                    log.info("the next item's addresses end soon: primed anew", key=act.item.key)
                    self._drop_next()
                    self.wake()
                return None
            pause = max(left, 1.0)
        if act.showing is None and feed.primed:
            act.showing = self._showing(act)
            self._playout.offer(act.showing)
            self.first_item.set()
        return pause

    def _showing(self, act: _Act) -> Showing:
        feed = act.feed

        def grace() -> float:
            if feed.is_live:
                return LIVE_GRACE_SECONDS
            return 0.0 if feed.state in {FeedState.RETRYING, FeedState.FAILED} else SLOW_GRACE_SECONDS

        def outcome() -> str:
            return "source_failed" if feed.state is FeedState.FAILED else "ended"

        return Showing(
            source=feed.buffer,
            rung=Rung.ITEM,
            key=act.item.key,
            title=feed.title,
            counts=not act.resumes,
            grace=grace,
            outcome=outcome,
        )

    def _expand(self, item: Item, expansion: Expansion) -> None:
        try:
            self._expanded(item, expansion)
        except PlaylistError as error:
            log.warning("list left out", key=item.key, error=str(error))
            self._quarantine.failed(item.key, error.reason)

    def _explain(self) -> None:
        empty = self._rotation.empty or self._rotation.finished
        self._playout.explain(SlateReason.PLAYLIST_EMPTY if empty else SlateReason.SOURCE_FAILED)

    def _available(self, item: Item) -> bool:
        return self._quarantine.available(item.key)

    # What happened on air

    def _went_on(self, showing: Showing) -> None:
        act = self._next
        if act is None or act.showing is not showing:
            return
        self._next = None
        self._on_air = act
        act.feed.on_air()
        self._rotation.advance(act.item)
        self._quarantine.succeeded(act.item.key)
        self._playout.explain(SlateReason.SOURCE_FAILED)

    def _came_off(self, showing: Showing, reason: str) -> None:
        act = self._on_air
        if act is None or act.showing is not showing:
            return
        if act.feed.state is FeedState.FAILED or reason == "off_grid":
            self._quarantine.failed(act.item.key, reason)
        self._on_air = None
        self._stop(act)

    def _drop_next(self) -> None:
        if self._next is not None:
            act, self._next = self._next, None
            self._stop(act)

    def _stop(self, act: _Act) -> None:
        # The reader may wait for room in the buffer; nobody will make any more.
        act.feed.buffer.close()
        act.task.cancel()
