"""Keeps the program to the schedule: follows its file, and lets parts, shows and station ids do their work each second."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from tg_video_streamer.automation.dayparts import Dayparts
from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.forecast import LEAD_SECONDS, look_out
from tg_video_streamer.automation.shows import LATE_SECONDS, ShowScheduler
from tg_video_streamer.automation.station_ids import StationIdScheduler
from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import ScheduleError
from tg_video_streamer.file_watch import Fingerprint
from tg_video_streamer.playlist.folders import FolderAllowlist
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.playout.source import PlayoutEvent
from tg_video_streamer.resolve.media import Expansion
from tg_video_streamer.schedule.day import ScheduledEntry, day_view, read_day, today
from tg_video_streamer.schedule.load import ScheduleSource, folders_of, load
from tg_video_streamer.schedule.record import ScheduleRecord
from tg_video_streamer.schedule.schedule import Schedule
from tg_video_streamer.schedule.timetable import Timetable

log = structlog.get_logger(__name__)

STEP_SECONDS = 1.0
LOOK_SECONDS = 2.0
"""How often the file is looked at. It counts once it was left alone from one look to the next: editors empty it first."""
PREPARED_SECONDS = 6 * 3600.0
"""Shows that begin within so long are prepared in the library."""


class Scheduler:
    """All methods belong to the event loop's thread; `run` lasts until it is cancelled."""

    def __init__(
        self,
        source: ScheduleSource | None,
        *,
        record_file: Path,
        left_seconds: float,
        lists: Dayparts,
        rotation: Rotation,
        director: Director,
        playout: Playout,
        allowlist: FolderAllowlist,
        clock: Clock,
    ) -> None:
        """`source` None: there is no schedule, and none can come. `left_seconds`: since the program was left."""
        self._source = source
        self._left_seconds = left_seconds
        self._lists = lists
        self._rotation = rotation
        self._director = director
        self._playout = playout
        self._clock = clock
        self._record = ScheduleRecord.read(record_file)
        self._saved = self._record.facts()
        self._shows = ShowScheduler(
            rotation=rotation, director=director, record=self._record, set_cues=playout.set_cues
        )
        self._station_ids = StationIdScheduler(rotation=rotation, director=director, record=self._record)
        self._seen: Fingerprint = None
        self._taken: Fingerprint = None
        self._looked = 0.0
        self._forced = False
        self._woken = asyncio.Event()
        self.timetable = Timetable(Schedule())
        """Of the schedule that is in force."""
        self.problems: tuple[str, ...] = ()
        """What is wrong with the file as it is now; the schedule before it stays in force."""
        self._allowlist = allowlist

    def warnings(self) -> list[str]:
        """What the operator should look at, one line each."""
        found = [f"schedule: {problem}; the schedule before it stays in force" for problem in self.problems]
        found += [f"schedule: {self._lists.problem}"] if self._lists.problem else []
        wall = self._clock.wall()
        late = [one for one in self._shows.waiting if one.show.hard and one.begins.timestamp() < wall - STEP_SECONDS]
        return found + [f"schedule: {one.show.title} is late: it begins as soon as it can" for one in late]

    def day(self, day: str) -> tuple[ScheduledEntry, ...]:
        """What the schedule has for a day, YYYY-MM-DD, or today's where that is empty. Raises ScheduleError."""
        wanted = read_day(day) if day else today(self.timetable, self._clock.wall())
        return day_view(self.timetable, wanted, playlist=self._lists.playlist.name)

    def soon(self) -> list[Item]:
        """The items of the shows that begin before long, soonest first."""
        wall = self._clock.wall()
        begins, ends = datetime.fromtimestamp(wall, UTC), datetime.fromtimestamp(wall + PREPARED_SECONDS, UTC)
        return [one.show.item for one in self.timetable.shows(begins, ends)]

    def upcoming(self, count: int) -> list[Item]:
        """The next `count` items: of the shows that begin before long, then of the rotation."""
        return [*self.soon(), *self._rotation.upcoming(count)][:count]

    def reload(self) -> None:
        """Read the file at once, changed or not."""
        self._forced = True
        self._woken.set()

    def on_playout_event(self, event: PlayoutEvent) -> None:
        """Follow an item that started or ended on air; called before the director is."""
        wall = self._clock.wall()
        self._station_ids.on_playout_event(event, wall)
        self._shows.on_playout_event(event, wall)
        self._woken.set()

    def on_expansion(self, item: Item, expansion: Expansion) -> None:
        """An item turned out to be a list."""
        self._shows.on_expansion(item, expansion)

    async def open(self) -> None:
        """Before anything plays: read the file, and choose the list.

        Where the program was left only LATE_SECONDS ago, what was on air goes on, and the parts have their say after it.
        """
        if self._source is None:
            return
        self._seen = self._source.fingerprint()
        await self._take(self._source)
        self._lists.stay()
        if self._left_seconds >= LATE_SECONDS:
            await self._follow_parts(self._clock.wall())

    async def run(self) -> None:
        """Keep to the schedule until cancelled."""
        source = self._source
        if source is None:
            await asyncio.Event().wait()
            return
        while True:
            self._woken.clear()
            await self._look(source)
            if not self.timetable.schedule.empty or self._rotation.list_name or self._shows.waiting:
                await self._step()
                pause = STEP_SECONDS
            else:
                pause = LOOK_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _step(self) -> None:
        outlook = look_out(director=self._director, playout=self._playout, rotation=self._rotation, clock=self._clock)
        await self._follow_parts(outlook.next_wall)
        self._shows.look(self.timetable, outlook)
        self._station_ids.look(
            self.timetable.schedule.station_id, outlook, room=not self._shows.waiting and self._room(outlook.next_wall)
        )
        if (facts := self._record.facts()) != self._saved:
            self._saved = facts
            await asyncio.to_thread(self._record.save, facts)

    def _room(self, wall: float) -> bool:
        """No show begins shortly after `wall`."""
        ahead = max(LEAD_SECONDS, self.timetable.schedule.fill_seconds)
        return not self.timetable.shows(datetime.fromtimestamp(wall, UTC), datetime.fromtimestamp(wall + ahead, UTC))

    async def _follow_parts(self, wall: float) -> None:
        part = self.timetable.part_at(datetime.fromtimestamp(wall, UTC))
        await self._lists.turn_to(part.playlist if part is not None else None, wall)

    async def _look(self, source: ScheduleSource) -> None:
        """Take the file where it has changed and been left alone since."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK_SECONDS and not self._forced:
            return
        self._looked = now
        found = source.fingerprint()
        settled, self._seen = found == self._seen, found
        if self._forced or (settled and found != self._taken):
            self._forced = False
            await self._take(source)

    async def _take(self, source: ScheduleSource) -> None:
        """Read the file; where it is wrong, the schedule before it stays in force."""
        self._taken = self._seen
        try:
            schedule = await asyncio.to_thread(load, source)
        except ScheduleError as error:
            if self.problems != tuple(error.problems):
                log.warning("the schedule is wrong, the one before it stays in force", problems=error.problems)
            self.problems = tuple(error.problems)
            return
        self.problems = ()
        before, self.timetable = self.timetable, Timetable(schedule)
        self._allowlist.allow("schedule", folders_of(schedule, source))
        name = hashlib.blake2b(repr(schedule).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        # After a restart with the same one, what it was down for may still begin.
        known = self.timetable if name == self._record.schedule_name else before
        self._record.schedule_name = name
        self._shows.edited(known, self.timetable, self._clock.wall())
        if not schedule.empty:
            log.info("schedule read", parts=len(schedule.parts), shows=len(schedule.shows))
