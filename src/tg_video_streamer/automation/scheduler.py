"""Follows `schedule.toml`: reads the file, and updates dayparts, shows and station IDs every second."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from tg_video_streamer.automation.dayparts import Dayparts
from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.forecast import LEAD_SECONDS, Forecast, seconds_left
from tg_video_streamer.automation.shows import LATE_SECONDS, ShowScheduler
from tg_video_streamer.automation.station_ids import StationIdScheduler
from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import DiskHangs, ScheduleError
from tg_video_streamer.file_watch import Fingerprint
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.folders import AllowedFolders, FolderAllowlist
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
CHECK_SECONDS = 2.0
"""How often the file is checked. It is read once two checks find it unchanged: editors empty it first."""
PREPARED_SECONDS = 6 * 3600.0
"""Shows that start within so long are prepared in the library."""


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
        """`source` None: no schedule. `left_seconds`: since the last run of the service ended."""
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
        self._loaded: Fingerprint = None
        self._read_again = asyncio.Event()
        self._forced = False
        self._woken = asyncio.Event()
        self.timetable = Timetable(Schedule())
        """Of the schedule in force."""
        self.problems: tuple[str, ...] = ()
        """What is wrong with the file now; the last valid schedule stays in force."""
        self._allowlist = allowlist

    def warnings(self) -> list[Message]:
        """Warnings for the operator."""
        found = [Message.of("warning.schedule", problem=problem) for problem in self.problems]
        found += [self._lists.problem] if self._lists.problem is not None else []
        wall = self._clock.wall()
        late = [one for one in self._shows.waiting if one.show.hard and one.begins.timestamp() < wall - STEP_SECONDS]
        return found + [Message.of("warning.show_late", title=one.show.title) for one in late]

    def day(self, day: str) -> tuple[ScheduledEntry, ...]:
        """The schedule of a day, YYYY-MM-DD; empty: today. Raises ScheduleError."""
        wanted = read_day(day) if day else today(self.timetable, self._clock.wall())
        return day_view(self.timetable, wanted, playlist=self._lists.playlist.name)

    def coming_shows(self) -> list[Item]:
        """The items of the shows that start within PREPARED_SECONDS, soonest first."""
        wall = self._clock.wall()
        begins, ends = datetime.fromtimestamp(wall, UTC), datetime.fromtimestamp(wall + PREPARED_SECONDS, UTC)
        return [one.show.item for one in self.timetable.shows(begins, ends)]

    def upcoming(self, count: int) -> list[Item]:
        """The next `count` items: of the coming shows, then of the rotation."""
        return [*self.coming_shows(), *self._rotation.upcoming(count)][:count]

    def reload(self) -> None:
        """Read the file at once, changed or not."""
        self._forced = True
        self._read_again.set()

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
        """Before anything plays: read the file and choose the list.

        After a break shorter than LATE_SECONDS the item that was on air continues first, whatever daypart it is.
        """
        if self._source is None:
            return
        with suppress(DiskHangs):
            self._seen = await DISKS.run_within(START_SECONDS, self._source.path, self._source.fingerprint)
        await self._load(self._source)
        self._lists.restore()
        if self._left_seconds >= LATE_SECONDS:
            await self._follow_dayparts(self._clock.wall())

    async def run(self) -> None:
        """Follow the schedule until cancelled."""
        source = self._source
        if source is None:
            await asyncio.Event().wait()
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_file(source), name="schedule file")
            await self._follow_schedule()

    async def _follow_file(self, source: ScheduleSource) -> None:
        """Apart from what is due: a disk that does not answer must not delay a show."""
        DISKS.on_return(self.reload)
        while True:
            self._read_again.clear()
            await self._check_file(source)
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._read_again.wait()

    async def _follow_schedule(self) -> None:
        while True:
            self._woken.clear()
            if not self.timetable.schedule.empty or self._rotation.list_name or self._shows.waiting:
                await self._step()
                pause = STEP_SECONDS
            else:
                pause = CHECK_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _step(self) -> None:
        forecast = self._forecast()
        await self._follow_dayparts(forecast.next_wall)
        self._shows.update(self.timetable, forecast)
        free = not self._shows.waiting and self._is_free(forecast.next_wall)
        self._station_ids.update(self.timetable.schedule.station_id, forecast, free=free)
        if (facts := self._record.facts()) != self._saved:
            self._saved = facts
            with suppress(DiskHangs):
                await DISKS.run_within(START_SECONDS, self._record.path, self._record.save, facts)

    def _forecast(self) -> Forecast:
        following = next((feed for feed in self._director.coming if feed.primed), None)
        length = following.duration_seconds if following is not None else None
        if following is not None and length is not None:
            length = max(0.0, length - self._rotation.resume_seconds(following.item))
        on_air, held = self._director.on_air, self._playout.held is not None
        return Forecast(
            wall=self._clock.wall(),
            left_seconds=None if on_air and held else seconds_left(on_air, self._playout.item_seconds),
            next_ready=following is not None,
            next_seconds=length,
        )

    def _is_free(self, wall: float) -> bool:
        """No show starts shortly after `wall`."""
        ahead = max(LEAD_SECONDS, self.timetable.schedule.fill_seconds)
        return not self.timetable.shows(datetime.fromtimestamp(wall, UTC), datetime.fromtimestamp(wall + ahead, UTC))

    async def _follow_dayparts(self, wall: float) -> None:
        part = self.timetable.part_at(datetime.fromtimestamp(wall, UTC))
        await self._lists.switch_to(part.playlist if part is not None else None, wall)

    async def _check_file(self, source: ScheduleSource) -> None:
        """Read the file where it has changed and no editor is writing it."""
        try:
            found = await DISKS.run(source.path, source.fingerprint)
        except DiskHangs:
            return
        settled, self._seen = found == self._seen, found
        if self._forced or (settled and found != self._loaded):
            self._forced = False
            await self._load(source)

    async def _load(self, source: ScheduleSource) -> None:
        """Read the file; where it is wrong, the last valid schedule stays in force."""
        self._loaded = self._seen
        try:
            schedule, folders = await DISKS.run_within(START_SECONDS, source.path, _load, source)
        except DiskHangs as error:
            self._loaded = None
            log.warning("the schedule cannot be read, the last known one stays in force", why=str(error))
            return
        except ScheduleError as error:
            if self.problems != tuple(error.problems):
                log.warning("the schedule is wrong, the last valid one stays in force", problems=error.problems)
            self.problems = tuple(error.problems)
            return
        self.problems = ()
        before, self.timetable = self.timetable, Timetable(schedule)
        self._allowlist.allow("schedule", folders)
        name = hashlib.blake2b(repr(schedule).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        # After a restart with the same schedule, shows of the break may still start.
        known = self.timetable if name == self._record.schedule_name else before
        self._record.schedule_name = name
        self._shows.on_schedule_change(known, self.timetable, self._clock.wall())
        self._woken.set()
        if not schedule.empty:
            log.info("schedule read", parts=len(schedule.parts), shows=len(schedule.shows))


def _load(source: ScheduleSource) -> tuple[Schedule, AllowedFolders]:
    schedule = load(source)
    return schedule, folders_of(schedule, source)
