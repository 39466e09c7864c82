"""Starts shows at their time: puts each at the front of the queue ahead of it and sets its cue.

A hard show is primed ahead and cuts at its frame; the item it cut resumes after it. A soft show waits for the item on
air to end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.forecast import LEAD_SECONDS, Forecast
from tg_video_streamer.events import CutReason
from tg_video_streamer.media import seconds
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playout.cue import CueTime
from tg_video_streamer.playout.source import AirSource, PlayoutEvent, SourceEnded
from tg_video_streamer.resolve.media import Expansion
from tg_video_streamer.schedule.record import ScheduleRecord
from tg_video_streamer.schedule.timetable import Occurrence, Timetable

log = structlog.get_logger(__name__)

LATE_SECONDS = 600.0
"""A show that has not started so long after its time is left out."""
RESUME_SECONDS = 30.0
"""A cut item resumes after the show where at least so much of it is left."""


@dataclass(kw_only=True)
class _Waiting:
    """A show that is in the queue and has not started."""

    occurrence: Occurrence
    key: str
    """Of the show's item, or of the first one where the item turned out to be a list."""
    passed_wall: float | None = None
    """When another item started in its turn, because it was not ready."""

    @property
    def wall(self) -> float:
        return self.occurrence.begins.timestamp()

    @property
    def hard(self) -> bool:
        return self.occurrence.show.hard


class ShowScheduler:
    """All methods belong to the event loop's thread."""

    def __init__(
        self,
        *,
        rotation: Rotation,
        director: Director,
        record: ScheduleRecord,
        set_cues: Callable[[Mapping[str, CueTime]], None],
    ) -> None:
        """`record` is changed here and saved by its owner; `set_cues` is the playout's."""
        self._rotation = rotation
        self._director = director
        self._record = record
        self._waiting: list[_Waiting] = []
        self._set_cues = set_cues
        self._cut: tuple[Item, float] | None = None
        self._hard_on_air = ""

    @property
    def waiting(self) -> tuple[Occurrence, ...]:
        """Shows that are next, or late."""
        return tuple(one.occurrence for one in self._waiting)

    def on_schedule_change(self, before: Timetable, after: Timetable, wall: float) -> None:
        """Remove shows that the new schedule no longer has; its new shows do not start for a time in the past."""
        known = {one.name for one in _around(before, wall)}
        now = _around(after, wall)
        for fresh in now:
            if fresh.name not in known and fresh.begins.timestamp() < wall:
                self._record.finish(fresh.name, fresh.begins.timestamp())
        names = {one.name for one in now}
        for one in [one for one in self._waiting if one.occurrence.name not in names]:
            self._drop(one, "it is no longer in the schedule")

    def update(self, timetable: Timetable, forecast: Forecast) -> None:
        """Queue shows whose turn has come, and drop those that are too late."""
        for one in list(self._waiting):
            self._check(one, forecast.wall)
        fresh = [one for one in self._coming(timetable, forecast.wall) if _is_next(one, forecast, timetable)]
        if fresh:
            self._waiting += [_Waiting(occurrence=one, key=one.show.item.key) for one in fresh]
            self._put_in_order()

    def on_expansion(self, item: Item, expansion: Expansion) -> None:
        """An item turned out to be a list: where it is a show, the list's first item takes its cue."""
        for one in self._waiting:
            if one.key == item.key and expansion.children:
                one.key = expansion.children[0].key
        self._publish_cues()

    def on_playout_event(self, event: PlayoutEvent, wall: float) -> None:
        """Follow an item that started or ended on air; called before the director is."""
        if event.reason is CutReason.SOUGHT:
            return  # the item stays
        if isinstance(event, SourceEnded):
            self._cut = self._what_was_cut(event.source) if event.reason is CutReason.SCHEDULED else None
            return
        started = next((one for one in self._waiting if one.key == event.source.content.key), None)
        if started is None:
            self._hard_on_air = ""
            for one in self._waiting:
                if one.wall <= wall and one.passed_wall is None:
                    one.passed_wall = wall
            return
        self._on_start(started)

    def _on_start(self, started: _Waiting) -> None:
        self._record.finish(started.occurrence.name, started.wall)
        self._waiting.remove(started)
        self._hard_on_air = started.key if started.hard else ""
        for one in [one for one in self._waiting if started.hard and one.hard and one.wall < started.wall]:
            self._drop(one, "a later show has started")
        cut, self._cut = self._cut, None
        self._put_in_order(cut)

    def _what_was_cut(self, source: AirSource) -> tuple[Item, float] | None:
        """The item to resume after the show, and from where; None where there is none."""
        item, feed = self._director.item, self._director.on_air
        if item is None or feed is None or source.content.key != item.key or item.key == self._hard_on_air:
            return None
        at = 0.0 if feed.is_live else seconds(feed.buffer.taken_ticks)
        if feed.duration_seconds is not None and feed.duration_seconds - at < RESUME_SECONDS:
            return None
        return item, at

    def _coming(self, timetable: Timetable, wall: float) -> list[Occurrence]:
        """Shows around `wall` that are neither done nor waiting; of several hard ones at one time the first."""
        known = {one.occurrence.name for one in self._waiting} | self._record.done.keys()
        keys = {one.key for one in self._waiting}
        taken = {one.wall for one in self._waiting if one.hard}
        found = []
        for one in _around(timetable, wall):
            if one.name in known or one.show.item.key in keys:
                continue
            if one.show.hard and one.begins.timestamp() in taken:
                self._record.finish(one.name, one.begins.timestamp())
                log.warning("show left out: another starts at the same second", title=one.show.title)
                continue
            keys.add(one.show.item.key)
            if one.show.hard:
                taken.add(one.begins.timestamp())
            found.append(one)
        return found

    def _check(self, one: _Waiting, wall: float) -> None:
        if all(queued.key != one.key for queued in self._rotation.queue_list()):
            self._drop(one, "it was removed from the queue")
            return
        since = one.wall if one.hard else one.passed_wall
        if since is not None and wall > since + LATE_SECONDS:
            self._drop(one, "it could not start in time")

    def _drop(self, one: _Waiting, why: str) -> None:
        """Leave the show out."""
        log.warning("show left out", title=one.occurrence.show.title, why=why)
        self._record.finish(one.occurrence.name, one.wall)
        self._waiting.remove(one)
        if any(queued.key == one.key for queued in self._rotation.queue_list()):
            self._rotation.queue_remove(one.key)
        self._put_in_order()

    def _put_in_order(self, cut: tuple[Item, float] | None = None) -> None:
        """Hard shows first, then the item that one of them cut, then soft shows, then items queued by the operator."""
        queued = {item.key: item for item in self._rotation.queue_list()}
        first = sorted(self._waiting, key=lambda one: (not one.hard, one.wall))
        for one in reversed([one for one in first if not one.hard]):
            self._rotation.queue_first(queued.get(one.key, one.occurrence.show.item))
        if cut is not None:
            self._rotation.queue_first(cut[0], seconds=cut[1])
        for one in reversed([one for one in first if one.hard]):
            self._rotation.queue_first(queued.get(one.key, one.occurrence.show.item))
        self._publish_cues()
        self._director.update_coming(replace_all=cut is not None)

    def _publish_cues(self) -> None:
        self._set_cues({one.key: CueTime(wall=one.wall, cuts=one.hard) for one in self._waiting})


def _around(timetable: Timetable, wall: float) -> tuple[Occurrence, ...]:
    """Every show that may still start late, or must be primed soon."""
    ahead = 2 * LEAD_SECONDS + timetable.schedule.fill_seconds
    return timetable.shows(datetime.fromtimestamp(wall - LATE_SECONDS, UTC), datetime.fromtimestamp(wall + ahead, UTC))


def _is_next(one: Occurrence, forecast: Forecast, timetable: Timetable) -> bool:
    """Whether the show must be the next item on air."""
    wall = one.begins.timestamp()
    if not one.show.hard:
        return forecast.next_wall >= wall
    if wall - forecast.wall <= LEAD_SECONDS:
        return True
    left = wall - forecast.next_wall
    return forecast.ends_soon and left < timetable.schedule.fill_seconds and forecast.next_is_too_long(wall)
