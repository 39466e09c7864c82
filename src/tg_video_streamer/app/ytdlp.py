"""Connects yt-dlp's updates with the service: requests one, and publishes results as metrics and events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tg_video_streamer.clock import Clock
from tg_video_streamer.events import Event
from tg_video_streamer.monitoring.metrics import Metrics
from tg_video_streamer.resolve.ytdlp_health import UpdateRequests
from tg_video_streamer.resolve.ytdlp_update import UpdateRecord, UpdateWatch, installed, record_path
from tg_video_streamer.settings.settings import Settings


class YtdlpUpdates:
    """Requests updates, and watches their record."""

    def __init__(
        self, settings: Settings, *, clock: Clock, publish: Callable[[Event], None], record: Path | None = None
    ) -> None:
        """`record`: the update script's, None for the place that belongs to this environment."""
        self._settings = settings
        self._clock = clock
        self._publish = publish
        self._record = record or record_path()
        self._known = ""
        """The version that was in use at the last look; it outlives a restart of the watch."""
        self.requests = UpdateRequests(settings.state_dir, clock=clock, wanted=lambda: not settings.ytdlp_pin)

    def watch(self, measured: Metrics, *, replaced: Callable[[], None]) -> UpdateWatch:
        """The watch of the record; `measured` gets the version in use at once.

        `replaced` is called when another version is in use; it must return at once.
        """
        if not self._known:
            self._known, put_there = installed()
            measured.ytdlp(version=self._known, counts={}, last_success=put_there)

        def changed(record: UpdateRecord) -> None:
            version, put_there = installed()
            if version != self._known:
                self.requests.updated()
                replaced()
                self._known = version
            measured.ytdlp(version=version, counts=record.counts, last_success=record.last_success or put_there)

        return UpdateWatch(
            self._record,
            state_folder=self._settings.state_dir,
            clock=self._clock,
            publish=self._publish,
            changed=changed,
        )
