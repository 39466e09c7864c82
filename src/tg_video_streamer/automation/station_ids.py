"""Puts a station id between two items where the time for one has come; never right before a hard start."""

from __future__ import annotations

from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.forecast import LEAD_SECONDS, Forecast
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playout.source import PlayoutEvent, SourceStarted
from tg_video_streamer.schedule.record import ScheduleRecord
from tg_video_streamer.schedule.schedule import StationId


class StationIdScheduler:
    """All methods belong to the event loop's thread."""

    def __init__(self, *, rotation: Rotation, director: Director, record: ScheduleRecord) -> None:
        """`record` is changed here, and saved by whoever owns it."""
        self._rotation = rotation
        self._director = director
        self._record = record
        self._waiting = ""
        self._since_wall = 0.0

    def look(self, station_id: StationId | None, outlook: Forecast, *, room: bool) -> None:
        """Queue the next one where it is due; `room`: nothing else of the schedule waits or is about to."""
        self._give_up(station_id, outlook.wall)
        if station_id is None:
            return
        if not 0 < self._record.station_id_wall <= outlook.wall:
            # The first comes when the time has passed once; a clock that was set back must not stop them.
            self._record.station_id_wall = outlook.wall
        due = outlook.next_wall - self._record.station_id_wall >= station_id.every_seconds
        if not due or not room or self._waiting or not outlook.ends_soon:
            return
        item = station_id.items[self._record.station_ids % len(station_id.items)]
        if all(queued.key != item.key for queued in self._rotation.queue_list()):
            self._waiting, self._since_wall = item.key, outlook.wall
            self._rotation.interpose(item)
            self._director.renew_next()

    def on_playout_event(self, event: PlayoutEvent, wall: float) -> None:
        """Follow an item that started on air; called before the director is."""
        if isinstance(event, SourceStarted) and event.source.content.key == self._waiting:
            self._count(wall)

    def _give_up(self, station_id: StationId | None, wall: float) -> None:
        """The one that waits was taken out by hand, cannot be played, or is no longer in the schedule."""
        if not self._waiting:
            return
        queued = any(item.key == self._waiting for item in self._rotation.queue_list())
        known = station_id is not None and any(item.key == self._waiting for item in station_id.items)
        if queued and known and wall - self._since_wall < 2 * LEAD_SECONDS:
            return
        if queued:
            self._rotation.queue_remove(self._waiting)
            self._director.renew_next()
        self._count(wall)

    def _count(self, wall: float) -> None:
        self._waiting = ""
        self._record.station_ids += 1
        self._record.station_id_wall = wall
