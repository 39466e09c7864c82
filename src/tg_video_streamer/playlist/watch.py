"""The playlist file as a stream of its states: read at start, and again whenever it may have changed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import structlog
from watchfiles import awatch

from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.load import allowed_folders, load
from tg_video_streamer.playlist.parser import Playlist

POLL_SECONDS = 2.0
"""The longest time after which a change is seen where the kernel reports none (network disks, missing folders)."""
_SETTLE_SECONDS = 0.15
_SETTLE_LONGEST_SECONDS = 2.0

log = structlog.get_logger(__name__)

Fingerprint = tuple[str, int, int, int, int] | None


def fingerprint(path: Path) -> Fingerprint:
    """What is another after each change of the file, of a link to it or of the link's target; None: it is not there."""
    real = os.path.realpath(path)
    try:
        found = os.stat(real)  # noqa: PTH116 - beside realpath, whose answer is a string
    except OSError:
        return None
    return real, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class PlaylistWatcher:
    """Watches one playlist file, links to it included; what counts is a look at the file, notices only wake it early."""

    def __init__(
        self, playlist: Path, *, media_folders: tuple[Path, ...] = (), poll_seconds: float = POLL_SECONDS
    ) -> None:
        """`media_folders`: where files may lie beside the playlist's own folder."""
        self._playlist = playlist.absolute()
        self.media_folders = media_folders
        """As of the last `allow`."""
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._forced = False
        self.allowed: AllowedFolders = allowed_folders(self._playlist, media_folders)
        """What may be played, as of the last read: the playlist's own folder changes with a link's target."""

    def turn_to(self, playlist: Path) -> None:
        """Watch another file from now on; its state is yielded next."""
        self._playlist = playlist.absolute()
        self.allowed = allowed_folders(self._playlist, self.media_folders)
        self.reload()

    def allow(self, media_folders: tuple[Path, ...]) -> None:
        """From the next read on, files may lie in these."""
        self.media_folders = media_folders

    def reload(self) -> None:
        """Read the file again at once and yield it, changed or not."""
        self._forced = True
        self._wake.set()

    async def states(self) -> AsyncGenerator[Playlist, None]:
        """The playlist now, and after each change; never ends. Missing, empty and binary files are states like others."""
        playlist: Playlist | None = None
        forced = False
        while True:
            seen = await self._settled() if playlist is not None else self._fingerprint()
            path = self._playlist
            fresh = await self._load()
            # What was read of a file that is no longer to be watched is nobody's; the other one is read next.
            if path == self._playlist and (forced or fresh != playlist):
                playlist = fresh
                yield playlist
            await self._wait(seen)
            forced, self._forced = self._forced, False

    async def _load(self) -> Playlist:
        self.allowed = allowed_folders(self._playlist, self.media_folders)
        playlist = await asyncio.to_thread(load, self._playlist, self.allowed)
        log.info("playlist read", entries=len(playlist.entries), problems=len(playlist.problems))
        return playlist

    async def _wait(self, seen: Fingerprint) -> None:
        """Until the file is no longer what `seen` was, or `reload` was called."""
        while not self._forced and self._fingerprint() == seen:
            self._wake.clear()
            try:
                await self._notice(seen)
            except (OSError, RuntimeError) as error:
                # No folder to watch, no inotify watch left: looking every few seconds is enough.
                log.debug("playlist is polled", why=str(error))
                await self._pause(self._poll_seconds)

    async def _notice(self, seen: Fingerprint) -> None:
        """Until something happens in the folders that hold the file or a link to it; raises where they cannot be watched."""
        async for _ in awatch(
            *self._folders(),
            watch_filter=None,
            debounce=1000,
            # It wakes a thread so often, also where nothing ever happens.
            step=500,
            stop_event=self._wake,
            rust_timeout=round(self._poll_seconds * 1000),
            yield_on_timeout=True,
            recursive=False,
        ):
            if self._fingerprint() != seen:
                return

    async def _settled(self) -> Fingerprint:
        """The fingerprint once the file has been left alone for a moment: editors truncate first and write then."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _SETTLE_LONGEST_SECONDS
        before = self._fingerprint()
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            after = self._fingerprint()
            if after == before or loop.time() > give_up:
                return after
            before = after

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _folders(self) -> set[Path]:
        return {self._playlist.parent, Path(os.path.realpath(self._playlist)).parent}

    def _fingerprint(self) -> Fingerprint:
        return fingerprint(self._playlist)
