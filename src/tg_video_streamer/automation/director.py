"""The director: keeps the coming items primed, offers them to the playout, and puts failed ones in quarantine.

One loop reconciles the candidates with the rotation after each change, and when a source may be tried again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from itertools import cycle, islice
from typing import Protocol

import structlog

from tg_video_streamer.automation.backup import BackupPlayer
from tg_video_streamer.automation.bundle import (
    BUNDLE_PATIENCE_SECONDS,
    MAX_BUNDLE,
    is_complete,
    is_tiny,
    offered_in_a_row,
)
from tg_video_streamer.automation.candidate import Candidate, FeedMaker
from tg_video_streamer.automation.forecast import eta_seconds
from tg_video_streamer.automation.seek import Seek, Seeker
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import FeedError, PlaylistError, SourceGone, SourceUnfinished, StreamerError
from tg_video_streamer.events import CutReason, SlateReason, SourceLevel
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.playlist.airtime import ends_wall
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.playout.source import PlayoutEvent, SourceEnded, SourceStarted
from tg_video_streamer.resolve.media import Expansion

log = structlog.get_logger(__name__)

MAX_COMING = 3
AHEAD_SECONDS = 10.0
"""How much of short items is primed ahead, up to MAX_COMING of them: priming the next may take longer than they last."""
SLOW_SECONDS = 4.0
"""An item that is not primed after so long, or before the one on air ends, gets a stand-in. Not while all items fail."""
FILE_SECONDS = 1.5
"""Files are primed sooner than this: no stand-in before."""
UNFINISHED_SECONDS = 5.0
"""How often a file that is still being written is looked at."""
MIN_PAUSE_SECONDS = 0.25
_AHEAD_ITEMS = 64


class Lists(Protocol):
    """Expands folders and lists on the web."""

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
        backup: BackupPlayer | None = None,
    ) -> None:
        """Whatever else edits `rotation` calls `update_coming` afterwards."""
        self._rotation = rotation
        self._quarantine = quarantine
        self._playout = playout
        self._make_feed = make_feed
        self._lists = lists
        self._clock = clock
        self._backup = backup
        self._woken = asyncio.Event()
        self._coming: list[Candidate] = []
        self._offered: list[Candidate] = []
        self._first_ready: float | None = None
        """Since when an item is ready and none is on air; None where one is."""
        self._on_air: Candidate | None = None
        self._jump_key = ""
        self._seeker = Seeker(playout=playout, make_feed=make_feed, clock=clock, changed=self.wake)
        self._played = False
        """An item has been on air since the start."""
        self.first_item = asyncio.Event()
        """Set once an item may go on air, or none can for now."""

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
        """The feeds of the coming items, primed or not, in order."""
        return tuple(candidate.feed for candidate in self._coming)

    def is_ahead(self, seconds: float) -> bool:
        """Whether an item is on air and its feed holds `seconds` more than viewers have seen, or all that is left."""
        feed, seen = self.on_air, self._playout.on_air
        if feed is None or seen is None or seen.content.level is not SourceLevel.ITEM:
            return False
        return feed.buffer.finished or feed.buffer.seconds >= seconds

    def jump(self, key: str) -> None:
        """Put the item with `key`, which is next in the rotation, on air as soon as it is primed."""
        self._jump_key = key
        self.update_coming()
        self._cut()

    @property
    def position_seconds(self) -> float:
        """How far into the item the program is, or will be where that is being moved."""
        return self._seeker.position_seconds

    def seek(self, seconds: float) -> Seek | None:
        """Continue the item on air at `seconds` of itself as soon as that is primed; None without an item."""
        if self._seeker.has_arrived():
            self._take_sought()
        self.wake()
        return self._seeker.begin(self._on_air, seconds) if self._on_air is not None else None

    def wake(self) -> None:
        """Reconcile again soon: something has changed."""
        self._woken.set()

    def on_playout_event(self, event: PlayoutEvent) -> None:
        """Follow an item that started or ended on air."""
        self._started(event) if isinstance(event, SourceStarted) else self._ended(event)
        self.wake()

    def update_coming(self, *, replace_all: bool = False) -> None:
        """Drop candidates that no longer come next; with `replace_all` every one, since how they play has changed."""
        self.wake()
        wanted = self._wanted(len(self._coming))
        in_order = [candidate for candidate in self._coming if not candidate.late]
        for at, candidate in enumerate(in_order):
            if replace_all or at >= len(wanted) or wanted[at].key != candidate.item.key:
                for stale in in_order[at:]:
                    self._drop(stale)
                return

    async def run(self) -> None:
        """Keep the coming items primed until cancelled; every feed has ended when this returns, and is forgotten."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._woken.clear()
                    pause = self._reconcile(tasks)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await self._woken.wait()
        finally:
            self._forget_feeds()

    def _forget_feeds(self) -> None:
        """The next run begins with none; what is on air of them ends."""
        if not self._seeker.give_up(FeedError.of("seek.item_ended")) and self._seeker.has_arrived():
            self._take_sought()
        for candidate in (*reversed(self._coming), *((self._on_air,) if self._on_air is not None else ())):
            if candidate.source is not None and not self._playout.withdraw(candidate.source):
                self._playout.end_item(candidate.source, CutReason.SOURCE_FAILED)
            candidate.stop()
        self._coming.clear()
        self._offered.clear()
        self._on_air = None
        self._jump_key = ""

    # Reconciling

    def _reconcile(self, tasks: asyncio.TaskGroup) -> float | None:
        """Bring every candidate a step forward; seconds until the next step at the latest, None for no limit."""
        for candidate in list(self._coming):
            if candidate in self._coming:
                self._settle(candidate, tasks)
            if self._on_air is None and self._played and (candidate.failed or candidate.feed.last_error is not None):
                self._playout.set_slate_reason(SlateReason.SOURCE_FAILED)
        over = self._follow_on_air()
        sought = self._seeker.step(tasks)
        pause = self._prime(tasks) if not self._coming else self._prime_more(tasks)
        patience = self._offer()
        if self._offered or patience is not None or not self._coming:
            self.first_item.set()
        waits = [wait for candidate in self._coming if (wait := self._expiry(candidate)) is not None]
        return min((*waits, *(one for one in (pause, over, sought, patience) if one is not None)), default=None)

    def _follow_on_air(self) -> float | None:
        """Its title, its time and its backup; seconds until its time is over, None where it has none."""
        candidate = self._on_air
        waiting = (one.item.backup for one in self._coming if one.ready and not one.feed.primed)
        wanted = candidate.item.backup if candidate is not None and not candidate.instead else None
        if self._backup is not None:
            self._backup.keep(wanted or next(waiting, None))
        if candidate is None or candidate.source is None:
            return None
        self._playout.retitle(candidate.source)
        if candidate.ends_wall is None:
            return None
        left = candidate.ends_wall - self._clock.wall()
        if left <= 0:
            self._playout.end_item(candidate.source, CutReason.TIME_OVER)
        return max(MIN_PAUSE_SECONDS, left)

    def _settle(self, candidate: Candidate, tasks: asyncio.TaskGroup) -> None:
        """Remove a candidate that turned out to be a list or that failed."""
        if candidate.feed.expansion is not None:
            self._drop(candidate)
            self._expand(candidate.item, candidate.feed.expansion)
        elif candidate.failed and candidate not in self._offered:
            if candidate.item.backup is not None and not candidate.instead:
                self._begin_instead(tasks, candidate)
                return
            self._drop(candidate)
            error = candidate.feed.last_error
            if isinstance(error, SourceUnfinished):
                self._quarantine.rest(candidate.item.key, error.reason, UNFINISHED_SECONDS)
            elif not self._lists.recall(candidate.item, error):
                reason = error.reason if error is not None else "empty"
                self._quarantine.failed(candidate.item.key, reason, gone=isinstance(error, SourceGone))

    def _prime(self, tasks: asyncio.TaskGroup) -> float | None:
        """Start the feed of the next item, unless none may be tried now; seconds until one may."""
        item = self._quarantine.pick(self._rotation)
        if item is not None and self._is_received(item):
            item = next(iter(self._wanted(1)), None)
            if item is None:
                return None
        if item is not None:
            self._begin(tasks, item)
            return SLOW_SECONDS
        empty = self._rotation.empty or self._rotation.finished
        self._playout.set_slate_reason(SlateReason.PLAYLIST_EMPTY if empty else SlateReason.SOURCE_FAILED)
        return None if empty else max(MIN_PAUSE_SECONDS, self._quarantine.seconds_to_wait())

    def _prime_more(self, tasks: asyncio.TaskGroup) -> float | None:
        """Start one more feed where the candidates are slow, or too short to cover the priming of another."""
        longer = sum(not is_tiny(candidate) for candidate in self._coming)
        if longer >= MAX_COMING or len(self._coming) >= MAX_BUNDLE or self._quarantine.all_fail:
            return None
        left = [self._patience_seconds(candidate) for candidate in self._coming if not candidate.ready]
        slow = bool(left) and max(left) <= 0
        if slow and (awaited := [one for one in self._coming if one.item.persists and not one.ready]):
            # Its backup is its stand-in.
            awaited[0].away = True
            return MIN_PAUSE_SECONDS
        held = sum(candidate.feed.buffer.seconds for candidate in self._coming)
        short = held < AHEAD_SECONDS and all(candidate.over for candidate in self._coming)
        if not slow and not short:
            return max(MIN_PAUSE_SECONDS, min(left)) if left else None
        item = self._following()
        if item is None:
            return None
        self._begin(tasks, item)
        return SLOW_SECONDS

    def _patience_seconds(self, candidate: Candidate) -> float:
        """Seconds until a candidate needs a stand-in; one that has failed needs it now."""
        if candidate.feed.last_error is not None:
            return 0.0
        waited = self._clock.monotonic() - candidate.created
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
        created = self._clock.monotonic()
        self._coming.append(Candidate(item=item, feed=feed, task=task, resumes=start_seconds > 0, created=created))

    def _begin_instead(self, tasks: asyncio.TaskGroup, failed: Candidate) -> None:
        """Prime the backup of an item whose source has failed, in its place."""
        backup = failed.item.backup
        if backup is None:
            return
        log.warning("source cannot be played, its backup takes its place", key=failed.item.key)
        feed = self._make_feed(backup, start_seconds=0.0, changed=self.wake)
        task = tasks.create_task(feed.run(), name=f"backup {failed.item.key}")
        at = self._coming.index(failed)
        created = self._clock.monotonic()
        self._coming[at] = Candidate(
            item=replace(failed.item, backup=backup.backup),
            feed=feed,
            task=task,
            resumes=False,
            created=created,
            late=failed.late,
            instead=backup.backup is None,
        )
        failed.stop()

    def _wanted(self, count: int) -> list[Item]:
        """The next `count` items that may be tried, or fewer; a looping list starts again."""
        late = {candidate.item.key for candidate in self._coming if candidate.late}
        ahead = [
            item
            for item in self._rotation.upcoming(_AHEAD_ITEMS)
            if item.key not in late and self._quarantine.available(item.key) and not self._is_received(item)
        ]
        return list(islice(cycle(ahead) if self._rotation.loops else ahead, count))

    def _is_received(self, item: Item) -> bool:
        """Whether `item` is the live feed on air: a second connection would disturb the first."""
        on_air = self._on_air
        if on_air is None or on_air.item.key != item.key:
            return False
        media = on_air.feed.media
        received = media is not None and media.is_live and any(one.received for one in media.inputs)
        return item.kind is LocatorKind.LIVE or received

    def _following(self) -> Item | None:
        """The item after all candidates; one before it that may be tried again waits for the next round.

        None where it is still being primed: a looping list is never a whole round ahead of itself.
        """
        wanted = self._wanted(_AHEAD_ITEMS + MAX_COMING)
        keys = [item.key for item in wanted]
        at = 0
        for candidate in self._coming:
            if not candidate.late and candidate.item.key in keys[at:]:
                at = keys.index(candidate.item.key, at) + 1
        unsure = {candidate.item.key for candidate in self._coming if not candidate.feed.primed}
        return wanted[at] if at < len(wanted) and keys[at] not in unsure else None

    def _offer(self) -> float | None:
        """Offer the first primed candidates to the playout; seconds until a tiny one starts alone, None where none waits."""
        row = offered_in_a_row(self._coming)
        if row and (patience := self._patience_for_bundle(row[0])) > 0:
            return patience
        while self._offered != row[: len(self._offered)]:
            source = self._offered[-1].source
            if source is not None and not self._playout.withdraw(source):
                return None  # it is on air by now: the event follows
            self._offered.pop()
        for candidate in row[len(self._offered) :]:
            self._offered.append(candidate)
            if len(self._offered) == 1:
                self._playout.offer(candidate.air_source())
                self._cut()
            else:
                self._playout.offer_after(candidate.air_source())
        return None

    def _patience_for_bundle(self, first: Candidate) -> float:
        """For how long `first` waits: nothing is on air, it is tiny, and more of what follows it is being primed."""
        if self._on_air is not None or self._offered:
            return 0.0
        now = self._clock.monotonic()
        if self._first_ready is None:
            self._first_ready = now
        all_there = all(one.over for one in self._coming) and self._following() is None
        if all_there or is_complete(self._coming, first):
            return 0.0
        return self._first_ready + BUNDLE_PATIENCE_SECONDS - now

    def _cut(self) -> None:
        candidate = self._offered[0] if self._offered else None
        if candidate is not None and candidate.source is not None and candidate.item.key == self._jump_key:
            self._playout.cut_to_next(candidate.source)

    def _expiry(self, candidate: Candidate) -> float | None:
        """Prime `candidate` again where its URLs expire soon; seconds until then, None where they do not expire."""
        left = candidate.usable_seconds(self._clock)
        if left is None:
            return None
        if left <= 0 and candidate.feed.primed and self._drop(candidate):
            log.info("the URLs of a coming item expire soon, it is primed again", key=candidate.item.key)
            self.wake()
        return max(left, 1.0)

    def _expand(self, item: Item, expansion: Expansion) -> None:
        try:
            self._lists.expand(item, expansion)
        except PlaylistError as error:
            log.warning("list left out", key=item.key, error=str(error))
            self._quarantine.failed(item.key, error.reason)
        # Candidates behind the list would go on air before its items.
        self.update_coming()

    def _drop(self, candidate: Candidate) -> bool:
        """Remove a candidate; False where it is on air already."""
        if candidate in self._offered:
            if candidate.source is not None and not self._playout.withdraw(candidate.source):
                return False
            self._offered.remove(candidate)
        self._coming.remove(candidate)
        candidate.stop()
        return True

    # Playout events

    def _started(self, event: SourceStarted) -> None:
        candidate = next((one for one in self._offered if one.source is event.source), None)
        if candidate is None:
            return
        self._offered.remove(candidate)
        self._first_ready = None
        self._jump_key = ""
        for overtaken in self._coming[: self._coming.index(candidate)]:
            overtaken.late = True
        self._coming.remove(candidate)
        self._on_air = candidate
        item = candidate.item
        candidate.ends_wall = ends_wall(self._clock.wall(), for_seconds=item.for_seconds, until=item.until)
        candidate.feed.on_air()
        (self._rotation.advance_late if candidate.late else self._rotation.advance)(candidate.item)
        self._quarantine.succeeded(candidate.item.key)
        self._playout.set_slate_reason(SlateReason.LOADING)
        self._played = True

    def _ended(self, event: SourceEnded) -> None:
        candidate = self._on_air
        if candidate is None or candidate.source is not event.source:
            return
        if event.reason is CutReason.SOUGHT:
            self._take_sought()
            return
        self._seeker.give_up(FeedError.of("seek.item_ended"))
        self._on_air = None
        if candidate.feed.state is FeedState.FAILED or event.reason.source_fault:
            self._quarantine.failed(candidate.item.key, event.reason)
        candidate.stop()

    def _take_sought(self) -> None:
        """The item on air continues elsewhere: its feed there is the one that counts."""
        left, self._on_air = self._on_air, self._seeker.take()
        if left is not None:
            left.stop()
