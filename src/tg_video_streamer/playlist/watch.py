"""Yields the playlist after each change of its file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import structlog

from tg_video_streamer.file_watch import POLL_SECONDS, FileWatch
from tg_video_streamer.playlist.folders import AllowedFolders, FolderAllowlist
from tg_video_streamer.playlist.load import allowed_folders, load
from tg_video_streamer.playlist.parser import Playlist

log = structlog.get_logger(__name__)


class PlaylistWatcher:
    """Watches one playlist file, links to it included."""

    def __init__(
        self,
        playlist: Path,
        *,
        media_folders: tuple[Path, ...] = (),
        allowlist: FolderAllowlist | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`media_folders`: more allowed folders; `allowlist` is updated at each change."""
        self._own_playlist = self._playlist = playlist.absolute()
        self._allowlist = allowlist or FolderAllowlist()
        self.media_folders = media_folders
        """As of the last `allow`."""
        self._watch = FileWatch(self._playlist, poll_seconds=poll_seconds)
        self._forced = False
        self.allowed = self._update_allowed()
        """The allowed folders as of the last read: the playlist's folder changes with a link's target."""

    def switch_to(self, playlist: Path) -> None:
        """Watch another file from now on; its state is yielded next."""
        self._playlist = playlist.absolute()
        self._watch.follow(self._playlist)
        self.allowed = self._update_allowed()
        self.reload()

    def allow(self, media_folders: tuple[Path, ...]) -> None:
        """Replace the media folders."""
        self.media_folders = media_folders
        self.allowed = self._update_allowed()

    def reload(self) -> None:
        """Read the file again at once and yield it, changed or not."""
        self._forced = True
        self._watch.wake()

    async def states(self) -> AsyncGenerator[Playlist, None]:
        """The playlist now and after each change; never ends. A missing, empty or binary file is an empty playlist."""
        playlist: Playlist | None = None
        while True:
            self._watch.mark_read()
            forced, self._forced = self._forced, False
            path = self._playlist
            fresh = await self._load()
            # The watch switched to another file during the read: that one is read next.
            if path == self._playlist and (forced or fresh != playlist):
                playlist = fresh
                yield playlist
            await self._watch.changed()

    async def _load(self) -> Playlist:
        self.allowed = self._update_allowed()
        playlist = await asyncio.to_thread(load, self._playlist, self.allowed)
        log.info("playlist read", entries=len(playlist.entries), problems=len(playlist.problems))
        return playlist

    def own_allowed(self) -> AllowedFolders:
        """The allowed folders of the playlist itself, also while another list is watched."""
        return allowed_folders(self._own_playlist, self.media_folders)

    def _update_allowed(self) -> AllowedFolders:
        """The allowed folders of the watched file; the allowlist always has those of the playlist too."""
        allowed = allowed_folders(self._playlist, self.media_folders)
        self._allowlist.allow("playlist", AllowedFolders.of((*self.own_allowed().folders, *allowed.folders)))
        return allowed
