"""Queues a station ID between two items at its interval; never right before a show."""

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
        """`record` is changed here and saved by its owner."""
        self._rotation = rotation
        self._director = director
        self._record = record
        self._waiting = ""
        self._since_wall = 0.0

    def update(self, station_id: StationId | None, forecast: Forecast, *, free: bool) -> None:
        """Queue the next one at its interval; `free`: no show waits or starts soon."""
        self._give_up(station_id, forecast.wall)
        if station_id is None:
            return
        if not 0 < self._record.station_id_wall <= forecast.wall:
            # The first comes after one interval; a wall clock that was set back must not stop them.
            self._record.station_id_wall = forecast.wall
        overdue = forecast.next_wall - self._record.station_id_wall >= station_id.every_seconds
        if not overdue or not free or self._waiting or not forecast.ends_soon:
            return
        item = station_id.items[self._record.station_ids % len(station_id.items)]
        if all(queued.key != item.key for queued in self._rotation.queue_list()):
            self._waiting, self._since_wall = item.key, forecast.wall
            self._rotation.queue_first(item)
            self._director.update_coming()

    def on_playout_event(self, event: PlayoutEvent, wall: float) -> None:
        """Follow an item that started on air; called before the director is."""
        if isinstance(event, SourceStarted) and event.source.content.key == self._waiting:
            self._count(wall)

    def _give_up(self, station_id: StationId | None, wall: float) -> None:
        """Drop one that the operator removed, that cannot be played, or that is no longer scheduled."""
        if not self._waiting:
            return
        queued = any(item.key == self._waiting for item in self._rotation.queue_list())
        known = station_id is not None and any(item.key == self._waiting for item in station_id.items)
        if queued and known and wall - self._since_wall < 2 * LEAD_SECONDS:
            return
        if queued:
            self._rotation.queue_remove(self._waiting)
            self._director.update_coming()
        self._count(wall)

    def _count(self, wall: float) -> None:
        self._waiting = ""
        self._record.station_ids += 1
        self._record.station_id_wall = wall
