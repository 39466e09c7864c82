"""The spool: downloads the items that come next, one after the other, and bounds what lies on the disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS, TRY_AGAIN_SECONDS
from tg_video_streamer.errors import (
    DiskHangs,
    NoRoom,
    ProbeFailed,
    SessionNeeded,
    SourceGone,
    SpoolError,
    StreamerError,
)
from tg_video_streamer.playlist.item import DOWNLOADED, Item, LocatorKind
from tg_video_streamer.resolve.media import Expansion, Media, Resolve
from tg_video_streamer.spool.download import Downloads
from tg_video_streamer.spool.entry import Entry, entry_report
from tg_video_streamer.spool.files import ItemFolder, SpooledItem, read_folder, remove_others, spool_key
from tg_video_streamer.spool.report import SpoolCounts, SpoolReport
from tg_video_streamer.spool.state import SpoolState
from tg_video_streamer.spool.window import Window, dropped_bytes

_log = structlog.get_logger(__name__)

PAUSES = Backoff(first=1.0, longest=60.0)
WAITED_FOR_SECONDS = 4.0
"""The longest pause while a feed waits."""
MOST_FAILURES = 12
"""After so many failures in a row without a new byte an item rests."""
REST_SECONDS = 600.0
GONE_SECONDS = 3600.0
_ROOM_SECONDS = 5.0
"""When an item for which there was no room is looked at again."""
_FRESH_SECONDS = 120.0
"""How long an answer of the resolver serves without asking again."""
_CHECK_SECONDS = 0.2
_MEASURE_SECONDS = 0.5
_LARGEST_PART = 0.9
"""An item that takes more than this part of the spool has no place in it."""
_FULL_BYTES = 1 << 20
"""A disk with less than this free is full."""
_GRACE_SECONDS = 60.0
"""What an earlier run has left stays so long, until the lists are read and what comes next is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoolLimits:
    """What the spool leaves free."""

    max_bytes: int
    floor_bytes: int
    """Of free disk space; below it nothing is downloaded."""


Ended = Callable[[Item, str, StreamerError | None], bool]
"""Gets an item, the proxy of its download, and the error that ended it, None once it is whole; whether the site refused it."""


class Spool:
    """Belongs to the event loop; `run` lasts until it is cancelled."""

    def __init__(
        self,
        folder: Path,
        *,
        limits: SpoolLimits,
        downloads: Downloads,
        ask: Resolve,
        clock: Clock,
        ended: Ended = lambda _item, _proxy, _error: False,
    ) -> None:
        """`ask` finds where an item is now. `ended` is called after each attempt at a download."""
        self._folder = folder
        self._limits = limits
        self._downloads = downloads
        self._ask = ask
        self._ended = ended
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._order: list[str] = []
        self._found: dict[str, SpooledItem] = {}
        self._woken = asyncio.Event()
        self._started = clock.monotonic()
        self._used_bytes = 0
        self._sweep_due = self._read = False
        self.loaded = asyncio.Event()
        """What an earlier run has left is known, or cannot be known now since the disk hangs."""
        self.problem: SpoolError | None = None
        """Why nothing can be downloaded now."""
        self.counts = SpoolCounts()
        self.received_bytes = 0
        """Bytes that were downloaded since the start."""
        self.revision = 0
        """Grows with each step that may change what is to be downloaded."""

    # What others ask for

    def plan(self, wanted: Sequence[Item], used: Collection[Item]) -> None:
        """Download `wanted`, soonest first; drop all that is neither wanted nor `used` by a feed."""
        self._order = []
        for item in wanted:
            if item.kind in DOWNLOADED:
                self._order.append(self.entry(item).key)
        keep = {*self._order, *(spool_key(item) for item in used)}
        for key, entry in list(self._entries.items()):
            failed = entry.state is SpoolState.FAILED
            over = self._clock.monotonic() >= entry.not_before if failed else key not in keep
            if over and not entry.waiting:
                entry.break_off()
                del self._entries[key]
                self._sweep_due = True
        self._woken.set()

    def entry(self, item: Item) -> Entry:
        """The entry of `item`, made where there is none."""
        key = spool_key(item)
        if key not in self._entries:
            folder = ItemFolder(self._folder / key)
            found = self._found.pop(key, None)
            self._entries[key] = Entry(
                key, item, folder, clock=self._clock, found=found, moved=self._moved, received=self._received
            )
            self._moved()
        return self._entries[key]

    def known(self, item: Item) -> Entry | None:
        """The entry of `item`, if there is one."""
        return self._entries.get(spool_key(item))

    def forget(self, entry: Entry) -> None:
        """Drop it: the next who needs it begins again."""
        entry.break_off()
        self._entries.pop(entry.key, None)
        self._sweep_due = True
        self._woken.set()

    def hurry(self, entry: Entry) -> None:
        """A feed waits for it."""
        entry.urgent = True
        if entry.state is SpoolState.PAUSED:
            entry.not_before = min(entry.not_before, self._clock.monotonic() + WAITED_FOR_SECONDS)
        self._woken.set()

    def try_again(self, kind: LocatorKind) -> None:
        """Try all items of a kind now: what they lacked is there."""
        for entry in [one for one in self._entries.values() if one.item.kind is kind]:
            entry.not_before, entry.failures = 0.0, 0
            if entry.state is SpoolState.FAILED and not entry.waiting:
                del self._entries[entry.key]
        self._woken.set()

    @property
    def hangs(self) -> bool:
        """Whether its disk does not answer now."""
        return DISKS.hangs(self._folder)

    def can(self, found: Media | Expansion) -> bool:
        """Whether an answer of the resolver can be downloaded."""
        return isinstance(found, Media) and self._downloads.can(found)

    def report(self) -> SpoolReport:
        """What it does now."""
        current = next((one for one in self._entries.values() if one.state is SpoolState.DOWNLOADING), None)
        return SpoolReport(
            used_bytes=self._used_bytes,
            max_bytes=self._limits.max_bytes,
            ready_items=sum(one.state is SpoolState.WHOLE for one in self._entries.values()),
            problem=self.problem.full_message if self.problem is not None else None,
            download=entry_report(current) if current is not None else None,
            counts=self.counts,
        )

    async def answer(self, entry: Entry) -> Media | Expansion:
        """Where the item is now; asked once for all who want to know. Raises ResolveError."""
        async with entry.asking:
            fresh = self._clock.monotonic() - entry.answered_at < _FRESH_SECONDS
            if entry.answer is None or not fresh or self._expired(entry.answer):
                entry.answer = None
                entry.answer = await self._ask(entry.item)
                entry.answered_at = self._clock.monotonic()
                self._moved()  # its length may be known now
            return entry.answer

    def _moved(self) -> None:
        self.revision += 1

    def _received(self, new_bytes: int) -> None:
        self.received_bytes += new_bytes

    # Downloading

    async def run(self) -> None:
        """Download until cancelled. What an earlier run was at begins again."""
        for begun in self._entries.values():
            if begun.state in {SpoolState.DOWNLOADING, SpoolState.CHECKING}:
                begun.move(SpoolState.WAITING, "the spool was restarted")
        while True:
            self._woken.clear()
            try:
                await self._tidy_up()
            except DiskHangs:
                # Meanwhile the feeds read from the sources.
                self.loaded.set()
                await asyncio.sleep(TRY_AGAIN_SECONDS)
                continue
            entry = self._next()
            if entry is not None:
                await self._work_on(entry)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._woken.wait()

    async def _tidy_up(self) -> None:
        """Know what an earlier run has left, and remove what is no longer needed. Raises DiskHangs."""
        if not self._read:
            found = await DISKS.run(self._folder, read_folder, self._folder)
            self._found = {key: item for key, item in found.items() if key not in self._entries}
            self._read = True
            self.loaded.set()
        await self._sweep()
        await self._move_windows()

    def _next(self) -> Entry | None:
        """The entry to work on: those that a feed waits for first, then in the order of the program."""
        place = {key: number for number, key in enumerate(self._order)}
        due = [one for one in self._entries.values() if one.due and (one.urgent or one.key in place)]
        return min(due, key=lambda one: (not one.urgent, place.get(one.key, -1)), default=None)

    def _pause(self) -> float | None:
        now = self._clock.monotonic()
        windows = [_MEASURE_SECONDS for one in self._entries.values() if one.window is not None]
        waiting = [one for one in self._entries.values() if one.state is not SpoolState.WHOLE and one.window is None]
        pauses = [*windows, *(one.not_before - now for one in waiting)]
        return max(0.05, min(pauses)) if pauses else None

    async def _work_on(self, entry: Entry) -> None:
        """One attempt, given up for a more urgent one."""
        async with asyncio.TaskGroup() as group:
            attempt = group.create_task(self._attempt(entry), name=f"spool {entry.item.key}")
            measured = self._clock.monotonic()
            while not attempt.done():
                await asyncio.wait((attempt,), timeout=_CHECK_SECONDS)
                if entry.window is None and self._is_large(entry.whole_bytes or 0):
                    self._open_window(entry)
                short = None
                if entry.state is SpoolState.DOWNLOADING and self._clock.monotonic() - measured > _MEASURE_SECONDS:
                    measured = self._clock.monotonic()
                    short = await self._measured() if entry.state is SpoolState.DOWNLOADING else None
                if short is not None and not attempt.done():
                    attempt.cancel()
                    self._failed(entry, short)
                elif self._next() is not entry:
                    attempt.cancel()
        if entry.state in {SpoolState.DOWNLOADING, SpoolState.CHECKING}:
            entry.move(SpoolState.WAITING, "another is more urgent")

    async def _measured(self) -> StreamerError | None:
        """Why the download must stop now: no room, or a disk that hangs."""
        try:
            await self._move_windows()
            return await self._short_of(0)
        except DiskHangs as error:
            return error

    async def _attempt(self, entry: Entry) -> None:
        before = entry.have_bytes
        try:
            media = await self.answer(entry)
            if not isinstance(media, Media) or not self._downloads.can(media):
                self._rest(entry, REST_SECONDS, "it is live, a list, or nothing that can be downloaded")
                return
            await self._make_room(entry, media)
            await DISKS.run(self._folder, entry.begin, media)
            _log.info("download begins", key=entry.item.key, title=media.title, bytes=entry.whole_bytes)
            await self._downloads.run(entry, media)
            self._ended(entry.item, media.proxy, None)
        except StreamerError as error:
            if entry.have_bytes > before:
                entry.failures = 0
            if isinstance(entry.answer, Media) and self._ended(entry.item, entry.answer.proxy, error):
                entry.answer = None  # asked again, the next proxy in turn is used
            self._failed(entry, await self._told_by_disk(error))
            return
        except Exception:  # noqa: BLE001 - a defect of one fetcher must not end the downloads of all others
            _log.exception("download failed; this is a defect of the program", key=entry.item.key)
            self._rest(entry, REST_SECONDS, "a defect of the program")
            return
        self.problem = None
        self.counts.downloads += 1
        _log.info("download whole", key=entry.item.key, title=media.title, bytes=entry.have_bytes)

    def _failed(self, entry: Entry, error: StreamerError) -> None:
        entry.error = error
        if entry.state is SpoolState.FAILED:
            return
        if isinstance(error, NoRoom):
            if entry.window is not None or not self._is_large(max(entry.have_bytes, entry.whole_bytes or 0)):
                self._wait(entry, _ROOM_SECONDS, str(error))
            elif not self._open_window(entry):
                self._rest(entry, GONE_SECONDS, str(error))
            else:
                self._wait(entry, 0.0, "larger than the spool: read through a window")
            return
        if isinstance(error, SessionNeeded | DiskHangs):
            # No fault of the item: what was downloaded stays until the login, or until the disk returns.
            pause = TRY_AGAIN_SECONDS if isinstance(error, DiskHangs) else PAUSES.longest
            self._wait(entry, pause, str(error))
            return
        self.counts.failures += 1
        entry.failures += 1
        _log.info("download failed", key=entry.item.key, reason=error.reason, why=str(error), times=entry.failures)
        if isinstance(error, SpoolError):
            self.problem = error
            self._rest(entry, REST_SECONDS, str(error))
        elif isinstance(error, SourceGone) and entry.answer is not None and entry.failures == 1:
            entry.answer = None  # an address that has run out looks the same: the page knows
            self._wait(entry, PAUSES.pause(entry.failures), str(error))
        elif isinstance(error, SourceGone | ProbeFailed) or error.permanent:
            self._rest(entry, GONE_SECONDS, str(error))
        elif entry.failures >= MOST_FAILURES:
            self._rest(entry, REST_SECONDS, str(error))
        else:
            entry.answer = entry.answer if entry.failures == 1 else None
            longest = WAITED_FOR_SECONDS if entry.waiting else PAUSES.longest
            self._wait(entry, min(longest, PAUSES.pause(entry.failures)), str(error))

    def _wait(self, entry: Entry, seconds: float, why: str) -> None:
        entry.not_before = self._clock.monotonic() + seconds
        if entry.state in {SpoolState.DOWNLOADING, SpoolState.CHECKING}:
            entry.move(SpoolState.PAUSED, why)
        entry.changed.set()

    def _rest(self, entry: Entry, seconds: float, why: str) -> None:
        """Give it up for a long time: its feeds read from its source."""
        entry.not_before = self._clock.monotonic() + seconds
        entry.break_off()
        entry.move(SpoolState.FAILED, why)
        self._sweep_due = True

    def _expired(self, answer: Media | Expansion) -> bool:
        expires = answer.expires_wall if isinstance(answer, Media) else None
        return expires is not None and expires - self._clock.wall() < 30

    # Space

    async def _make_room(self, entry: Entry, media: Media) -> None:
        """Drop what comes later until `media` fits. Raises NoRoom."""
        needed = sum(one.download.size_bytes or 0 for one in media.inputs if one.download is not None)
        if self._is_large(needed) and entry.window is None and not self._open_window(entry):
            self._rest(entry, GONE_SECONDS, "it is larger than the spool")
            raise NoRoom.of("spool.no_room")
        if not entry.growing:
            await DISKS.run(self._folder, entry.folder.tidy)
        have = await DISKS.run(self._folder, entry.folder.used_bytes) - dropped_bytes(entry.growing)
        if entry.window is not None:
            needed = entry.window.ahead_bytes
        while (short := await self._short_of(max(0, needed - have))) is not None:
            victim = await DISKS.run(self._folder, self._victim, entry)
            if victim is None:
                raise short
            victim.break_off()
            del self._entries[victim.key]
            await DISKS.run(self._folder, victim.folder.remove)

    def _is_large(self, size: int) -> bool:
        return size > _LARGEST_PART * self._limits.max_bytes

    def _open_window(self, entry: Entry) -> bool:
        """Read it through a window; whether the spool is large enough for one."""
        window = Window(self._limits.max_bytes)
        if not window.makes_sense:
            return False
        entry.window = window
        _log.info("larger than the spool, read through a window", key=entry.item.key)
        return True

    async def _move_windows(self) -> None:
        """Drop what was read of items that are larger than the spool, and give up those that cannot be read that way."""
        for entry in [one for one in self._entries.values() if one.window is not None]:
            assert entry.window is not None  # noqa: S101 - selected by it
            error: SpoolError | None = None
            try:
                await DISKS.run(self._folder, entry.drop_read)
                if await DISKS.run(self._folder, entry.window.needs_its_end, entry.growing):
                    error = SpoolError.of("spool.not_forward", title=entry.title)
            except SpoolError as failure:
                error = failure
            if error is not None and entry.state is not SpoolState.FAILED:
                self.problem = entry.error = error
                self._rest(entry, GONE_SECONDS, str(error))

    def _victim(self, entry: Entry) -> Entry | None:
        """The last of the items that come after `entry` and that no feed reads."""
        place = {key: number for number, key in enumerate(self._order)}
        mine = -1 if entry.urgent else place.get(entry.key, -1)
        later = [one for one in list(self._entries.values()) if place.get(one.key, -1) > mine and not one.urgent]
        held = [one for one in later if one is not entry and one.folder.folder.exists()]
        return max(held, key=lambda one: place[one.key], default=None)

    async def _short_of(self, more_bytes: int) -> SpoolError | None:
        """What is missing for `more_bytes` more."""
        self._used_bytes, free = await DISKS.run(self._folder, self._measure)
        if self._used_bytes + more_bytes > self._limits.max_bytes:
            return NoRoom.of("spool.no_room")
        if free - more_bytes < self._limits.floor_bytes:
            return SpoolError.of("spool.full", folder=str(self._folder), floor=self._limits.floor_bytes)
        return None

    async def _told_by_disk(self, error: StreamerError) -> StreamerError:
        """`error`, or what the disk says: a fetcher cannot tell a full disk from another fault."""
        if isinstance(error, SpoolError | DiskHangs):
            return error
        try:
            _, free = await DISKS.run(self._folder, self._measure)
        except DiskHangs as hangs:
            return hangs
        if free >= _FULL_BYTES:
            return error
        return SpoolError.of("spool.full", folder=str(self._folder), floor=self._limits.floor_bytes)

    def _measure(self) -> tuple[int, int]:
        used = sum(one.stat().st_size for one in self._folder.glob("*/*") if one.is_file())
        used -= sum(dropped_bytes(one.growing) for one in list(self._entries.values()))
        there = next(place for place in (self._folder, *self._folder.parents) if place.exists())
        disk = os.statvfs(there)
        return used, disk.f_bavail * disk.f_frsize

    async def _sweep(self) -> None:
        """Remove the folders that belong to no entry, once the first plan is old enough to be complete."""
        if not self._sweep_due and not self._found:
            return
        if self._found and self._clock.monotonic() - self._started > _GRACE_SECONDS:
            self._found = {}
        self._sweep_due = False
        live = {key for key, one in self._entries.items() if one.state is not SpoolState.FAILED}
        await DISKS.run(self._folder, remove_others, self._folder, {*live, *self._found})
        self._used_bytes, _ = await DISKS.run(self._folder, self._measure)
