"""Requests an update of yt-dlp when most items of a site fail, which means that it is outdated."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs, ResolveError
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.failure import update_may_help
from tg_video_streamer.resolve.media import Expansion, Media, Resolve

log = structlog.get_logger(__name__)

REQUEST_NAME = "yt-dlp-update-requested"
"""In STATE_DIR; a systemd path unit watches it."""
WINDOW_SECONDS = 3600.0
FAILED_TRIES = 3
MOST_SITES = 200
_STATE_SECONDS = 0.5
"""The event loop waits for the request file no longer."""
AGAIN_SECONDS = 24 * 3600.0


@dataclass(kw_only=True, slots=True)
class _Tries:
    """When an item was last tried, and when it failed since its last success."""

    tried: float
    failed: list[float] = field(default_factory=list)


class ExtractionRate:
    """The share of a site's items that fail; pure. The last outcome of each item counts."""

    def __init__(self) -> None:
        self._items: dict[str, _Tries] = {}

    def succeeded(self, key: str, now: float) -> None:
        """The item with `key` was found at `now`."""
        self._items[key] = _Tries(tried=now)

    def failed(self, key: str, now: float) -> None:
        """The item with `key` failed at `now` with an error that another yt-dlp may fix."""
        item = self._items.setdefault(key, _Tries(tried=now))
        item.tried = now
        item.failed.append(now)

    def most_fail(self, now: float) -> bool:
        """Whether more than half of the items of the last hour fail, with three failures at least."""
        since = now - WINDOW_SECONDS
        self._items = {key: item for key, item in self._items.items() if item.tried >= since}
        failing = [item for item in self._items.values() if item.failed]
        tries = sum(time >= since for item in failing for time in item.failed)
        return tries >= FAILED_TRIES and 2 * len(failing) > len(self._items)


class UpdateRequests:
    """Writes the request file, at most once a day: its modification time outlives a restart."""

    def __init__(self, folder: Path, *, clock: Clock, wanted: Callable[[], bool] = lambda: True) -> None:
        """`folder`: STATE_DIR; `wanted` returns False if an update would change nothing (YTDLP_PIN)."""
        self._path = folder / REQUEST_NAME
        self._clock = clock
        self._wanted = wanted
        self._sites: dict[str, ExtractionRate] = {}

    def watching(self, resolve: Resolve) -> Callable[[Item], Coroutine[None, None, Media | Expansion]]:
        """`resolve`, with its outcomes counted for web items."""

        async def watched(item: Item) -> Media | Expansion:
            try:
                found = await resolve(item)
            except ResolveError as error:
                if item.kind is LocatorKind.URL and update_may_help(error):
                    self._failed(item)
                raise
            if item.kind is LocatorKind.URL:
                self._site(item).succeeded(item.key, self._clock.monotonic())
            return found

        return watched

    def _failed(self, item: Item) -> None:
        now, site = self._clock.monotonic(), self._site(item)
        site.failed(item.key, now)
        if self._wanted() and site.most_fail(now):
            with suppress(DiskHangs):
                DISKS.wait(_STATE_SECONDS, self._path, self._request_daily)

    def _request_daily(self) -> None:
        if self._may_request():
            self._request()

    def _site(self, item: Item) -> ExtractionRate:
        """One site may change while all others play."""
        host = urlsplit(item.locator).hostname or ""
        if host not in self._sites and len(self._sites) >= MOST_SITES:
            del self._sites[next(iter(self._sites))]
        return self._sites.setdefault(host, ExtractionRate())

    def updated(self) -> None:
        """Another yt-dlp is in use: earlier failures do not count."""
        self._sites.clear()

    def _may_request(self) -> bool:
        try:
            asked = self._path.stat().st_mtime
        except OSError:
            return True
        # A time in the future was written by a wrong clock.
        return not 0 <= self._clock.wall() - asked < AGAIN_SECONDS

    def _request(self) -> None:
        try:
            self._path.write_text("most items of a site cannot be read\n")
            os.utime(self._path, (self._clock.wall(), self._clock.wall()))
        except OSError as error:
            log.warning("update of yt-dlp cannot be requested", file=str(self._path), error=error.strerror)
            return
        log.warning("most items of a site fail, update of yt-dlp requested (once a day at most)")
