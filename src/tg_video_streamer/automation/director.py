"""The director: keeps the coming items primed, tells the playout which may go on air, and learns from what happened.

One loop reconciles what is with what should be, whenever something changes, or a source may be tried again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import cycle, islice
from typing import Protocol

import structlog

from tg_video_streamer.automation.candidate import Candidate, FeedMaker
from tg_video_streamer.automation.eta import eta_seconds
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import PlaylistError, SourceGone, StreamerError
from tg_video_streamer.events import SlateReason, SourceLevel
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.playout.source import PlayoutEvent, SourceEnded, SourceStarted
from tg_video_streamer.resolve.media import Expansion

log = structlog.get_logger(__name__)

EXPIRY_MARGIN_SECONDS = 90.0
"""A primed item whose URLs end sooner than this is primed anew: it must not go on air with dead ones.

At most half of the time for which they are good: the addresses of some sites never live so long.
"""
MOST_COMING = 3
AHEAD_SECONDS = 10.0
"""Items that are shorter than it takes to prime the next one: so much of them is held, or MOST_COMING."""
SLOW_SECONDS = 4.0
"""An item that is not primed after so long, or before the one on air ends, gets a stand-in beside it. Not while all fail."""
FILE_SECONDS = 1.5
"""A file is primed sooner than that: it gets no stand-in before."""
LOOK_SECONDS = 0.25
_LOOKED_AT_ITEMS = 64


class Lists(Protocol):
    """What lists on the web and folders hold."""

    def expand(self, item: Item, expansion: Expansion) -> None:
        """`item` turned out to be a list. Raises PlaylistError where lists are nested too deep."""

    def recall(self, item: Item, error: StreamerError | None) -> bool:
        """`item` cannot be found; True where it is a list whose last known items play instead."""


class Director:
    """Owns the feeds. All methods belong to the event loop's thread; `run` lasts until it is cancelled."""

    def __init__(
        self,
        *,
        rotation: Rotation,
        quarantine: Quarantine,
        playout: Playout,
        make_feed: FeedMaker,
        lists: Lists,
        clock: Clock,
    ) -> None:
        """`rotation` may be edited by others, who then call `renew_next`."""
        self._rotation = rotation
        self._quarantine = quarantine
        self._playout = playout
        self._make_feed = make_feed
        self._lists = lists
        self._clock = clock
        self._woken = asyncio.Event()
        self._coming: list[Candidate] = []
        self._offered: Candidate | None = None
        self._on_air: Candidate | None = None
        self._cut_to = ""
        self.first_item = asyncio.Event()
        """Set once something may go on air, or it is known that nothing can for now."""

    @property
    def on_air(self) -> Feed | None:
        """The feed of the item that is on air or waits behind the slate."""
        return self._on_air.feed if self._on_air else None

    @property
    def item(self) -> Item | None:
        """The item that is on air or waits behind the slate."""
        return self._on_air.item if self._on_air else None

    @property
    def coming(self) -> tuple[Feed, ...]:
        """The feeds of the items that are being primed, or are, in their order."""
        return tuple(candidate.feed for candidate in self._coming)

    def is_ahead(self, seconds: float) -> bool:
        """Whether an item is on air and its feed holds `seconds` more than viewers have seen, or all that is left."""
        feed, seen = self.on_air, self._playout.on_air
        if feed is None or seen is None or seen.content.level is not SourceLevel.ITEM:
            return False
        return feed.buffer.finished or feed.buffer.seconds >= seconds

    def cut_to(self, key: str) -> None:
        """The item with `key`, which the rotation has next, goes on air as soon as it is primed."""
        self._cut_to = key
        self.renew_next()
        self._cut()

    def wake(self) -> None:
        """Something has changed: look at everything again, soon."""
        self._woken.set()

    def on_playout_event(self, event: PlayoutEvent) -> None:
        """Follow an item that started or ended on air."""
        self._started(event) if isinstance(event, SourceStarted) else self._ended(event)
        self.wake()

    def renew_next(self, *, anew: bool = False) -> None:
        """The order has changed, or with `anew` the look or place of items: what is primed must be what comes next again."""
        self.wake()
        wanted = self._wanted(len(self._coming))
        in_order = [candidate for candidate in self._coming if not candidate.late]
        for at, candidate in enumerate(in_order):
            if anew or at >= len(wanted) or wanted[at].key != candidate.item.key:
                for stale in in_order[at:]:
                    self._drop(stale)
                return

    async def run(self) -> None:
        """Keep the coming items primed until cancelled; every feed has ended when this returns."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                pause = self._reconcile(tasks)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._woken.wait()

    # Reconciling

    def _reconcile(self, tasks: asyncio.TaskGroup) -> float | None:
        """Bring everything a step forward; seconds after which to look again in any case, None for never."""
        for candidate in list(self._coming):
            if candidate in self._coming:
                self._settle(candidate)
        pause = self._prime(tasks) if not self._coming else self._prime_more(tasks)
        self._offer()
        if self._offered is not None or not self._coming:
            self.first_item.set()
        waits = [wait for candidate in self._coming if (wait := self._expiry(candidate)) is not None]
        return min((*waits, *([] if pause is None else [pause])), default=None)

    def _settle(self, candidate: Candidate) -> None:
        """Take out an candidate that turned out to be a list, or that came to nothing."""
        if candidate.feed.expansion is not None:
            self._drop(candidate)
            self._expand(candidate.item, candidate.feed.expansion)
        elif candidate.hopeless and candidate is not self._offered:
            self._drop(candidate)
            error = candidate.feed.last_error
            if not self._lists.recall(candidate.item, error):
                reason = error.reason if error is not None else "empty"
                self._quarantine.failed(candidate.item.key, reason, gone=isinstance(error, SourceGone))

    def _prime(self, tasks: asyncio.TaskGroup) -> float | None:
        """Start the feed of the next item, unless nothing may be tried now; seconds until something may."""
        item = self._quarantine.pick(self._rotation)
        if item is not None:
            self._begin(tasks, item)
            return SLOW_SECONDS
        empty = self._rotation.empty or self._rotation.finished
        self._playout.set_slate_reason(SlateReason.PLAYLIST_EMPTY if empty else SlateReason.SOURCE_FAILED)
        return None if empty else max(LOOK_SECONDS, self._quarantine.seconds_to_wait())

    def _prime_more(self, tasks: asyncio.TaskGroup) -> float | None:
        """Start one more feed where those that come are slow, or too short to cover the priming of another."""
        if len(self._coming) >= MOST_COMING or self._quarantine.all_fail:
            return None
        left = [self._may_take(candidate) for candidate in self._coming if not candidate.feed.primed]
        slow = bool(left) and max(left) <= 0
        held = sum(candidate.feed.buffer.seconds for candidate in self._coming)
        short = held < AHEAD_SECONDS and all(candidate.over for candidate in self._coming)
        if not slow and not short:
            return max(LOOK_SECONDS, min(left)) if left else None
        item = self._following()
        if item is None:
            return None
        self._begin(tasks, item)
        return SLOW_SECONDS

    def _may_take(self, candidate: Candidate) -> float:
        """Seconds for which a coming item needs no stand-in; one that has failed needs it now."""
        if candidate.feed.last_error is not None:
            return 0.0
        waited = self._clock.monotonic() - candidate.began
        if self.on_air is None or self.on_air.duration_seconds is None:
            return SLOW_SECONDS - waited
        ready = sum(one.feed.buffer.seconds for one in self._coming)
        ahead = self.on_air.duration_seconds - self._playout.item_seconds + ready
        return max(FILE_SECONDS - waited, min(SLOW_SECONDS - waited, ahead - AHEAD_SECONDS))

    def _begin(self, tasks: asyncio.TaskGroup, item: Item) -> None:
        start_seconds = self._rotation.resume_seconds(item) if not self._coming else 0.0
        feed = self._make_feed(item, start_seconds=start_seconds, changed=self.wake)
        feed.air_time.eta = lambda: eta_seconds(feed, self.coming, self.on_air, self._playout.item_seconds)
        task = tasks.create_task(feed.run(), name=f"feed {item.key}")
        began = self._clock.monotonic()
        self._coming.append(Candidate(item=item, feed=feed, task=task, resumes=start_seconds > 0, began=began))

    def _wanted(self, count: int) -> list[Item]:
        """The next `count` items that may be tried, or fewer; a list that loops comes round again."""
        late = {candidate.item.key for candidate in self._coming if candidate.late}
        ahead = [
            item
            for item in self._rotation.upcoming(_LOOKED_AT_ITEMS)
            if item.key not in late and self._quarantine.available(item.key)
        ]
        return list(islice(cycle(ahead) if self._rotation.loops else ahead, count))

    def _following(self) -> Item | None:
        """What comes after all that is coming; an item before it whose rest is over waits for the next round.

        None where that is an item that is still being primed: a list that loops is never ahead of itself by a round.
        """
        wanted = self._wanted(_LOOKED_AT_ITEMS + MOST_COMING)
        keys = [item.key for item in wanted]
        at = 0
        for candidate in self._coming:
            if not candidate.late and candidate.item.key in keys[at:]:
                at = keys.index(candidate.item.key, at) + 1
        unsure = {candidate.item.key for candidate in self._coming if not candidate.feed.primed}
        return wanted[at] if at < len(wanted) and keys[at] not in unsure else None

    def _offer(self) -> None:
        """Give the playout the first of the coming items that is primed."""
        best = next((candidate for candidate in self._coming if candidate.feed.primed), None)
        if best is self._offered:
            return
        if self._offered is not None and self._offered.source is not None:
            if not self._playout.withdraw(self._offered.source):
                return  # it is on air by now, and the word of it under way
            self._offered = None
        if best is not None:
            self._offered = best
            self._playout.offer(best.air_source())
            self._cut()

    def _cut(self) -> None:
        candidate = self._offered
        if candidate is not None and candidate.source is not None and candidate.item.key == self._cut_to:
            self._playout.cut_to(candidate.source)

    def _expiry(self, candidate: Candidate) -> float | None:
        """Prime `candidate` anew where its URLs are about to end; seconds until then, None where they do not."""
        expires = candidate.feed.expires_wall
        if expires is None or candidate.over:
            return None
        waited = self._clock.monotonic() - candidate.began
        lifetime = expires - self._clock.wall() + waited
        left = lifetime - waited - min(EXPIRY_MARGIN_SECONDS, lifetime / 2)
        if left <= 0 and candidate.feed.primed and self._drop(candidate):
            log.info("the addresses of a coming item end soon: primed anew", key=candidate.item.key)
            self.wake()
        return max(left, 1.0)

    def _expand(self, item: Item, expansion: Expansion) -> None:
        try:
            self._lists.expand(item, expansion)
        except PlaylistError as error:
            log.warning("list left out", key=item.key, error=str(error))
            self._quarantine.failed(item.key, error.reason)
        # What was primed behind the list would go on air before its items.
        self.renew_next()

    def _drop(self, candidate: Candidate) -> bool:
        """Give up a coming item; False where it is on air already."""
        if candidate is self._offered:
            if candidate.source is not None and not self._playout.withdraw(candidate.source):
                return False
            self._offered = None
        self._coming.remove(candidate)
        candidate.stop()
        return True

    # What happened on air

    def _started(self, event: SourceStarted) -> None:
        candidate = self._offered
        if candidate is None or candidate.source is not event.source:
            return
        self._offered = None
        self._cut_to = ""
        for overtaken in self._coming[: self._coming.index(candidate)]:
            overtaken.late = True
        self._coming.remove(candidate)
        self._on_air = candidate
        candidate.feed.on_air()
        (self._rotation.interject if candidate.late else self._rotation.advance)(candidate.item)
        self._quarantine.succeeded(candidate.item.key)
        self._playout.set_slate_reason(SlateReason.SOURCE_FAILED)

    def _ended(self, event: SourceEnded) -> None:
        candidate = self._on_air
        if candidate is None or candidate.source is not event.source:
            return
        self._on_air = None
        if candidate.feed.state is FeedState.FAILED or event.reason.source_fault:
            self._quarantine.failed(candidate.item.key, event.reason)
        candidate.stop()
