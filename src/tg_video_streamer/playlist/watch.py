"""Yields the playlist after each change of its file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import structlog

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.file_watch import POLL_SECONDS, FileWatch, notices
from tg_video_streamer.playlist.folders import AllowedFolders, FolderAllowlist, media_files
from tg_video_streamer.playlist.load import allowed_folders, load
from tg_video_streamer.playlist.parser import Playlist

FOLDER_POLL_SECONDS = 30.0
"""The latest that a change is seen where the kernel reports none, as on network disks."""
_NOTICE_SECONDS = 1.0
"""How soon a created or removed folder is noticed."""

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


class FolderWatcher:
    """Reports each followed folder whose playable files have changed."""

    def __init__(self, *, poll_seconds: float = FOLDER_POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._folders: dict[str, Path] = {}
        self._contents: dict[str, tuple[Path, ...]] = {}
        self._wake = asyncio.Event()

    def follow(self, folders: dict[str, Path]) -> None:
        """Follow these folders, by the key of their item, and no others."""
        if folders == self._folders:
            return
        self._folders = dict(folders)
        self._contents = {key: seen for key, seen in self._contents.items() if key in folders}
        self._wake.set()

    async def changes(self) -> AsyncGenerator[str, None]:
        """The key of each folder that changed; never ends."""
        while True:
            self._wake.clear()
            for key in await self._changed():
                yield key
            async with aclosing(self._possible_changes()) as changes:
                async for _ in changes:
                    for key in await self._changed():
                        yield key

    async def _changed(self) -> list[str]:
        changed: list[str] = []
        for key, folder in list(self._folders.items()):
            contents = await asyncio.to_thread(_contents, folder)
            before = self._contents.get(key)
            self._contents[key] = contents
            if before is not None and before != contents:
                log.info("folder changed", folder=str(folder), files=len(contents))
                changed.append(key)
        return changed

    async def _possible_changes(self) -> AsyncGenerator[None, None]:
        """After each possible change below a folder; ends when the followed folders change."""
        folders = self._existing()
        if not folders:
            await self._pause()
            return
        loop = asyncio.get_running_loop()
        check_at = loop.time()  # the first check as soon as the watch runs, for changes before it did
        async with aclosing(notices(folders, self._wake, poll_seconds=_NOTICE_SECONDS, recursive=True)) as watch:
            async for happened in watch:
                if happened or loop.time() >= check_at:
                    check_at = loop.time() + self._poll_seconds
                    yield
                if self._existing() != folders:
                    return  # one was created or removed: watch the new set
        await self._pause()

    def _existing(self) -> list[Path]:
        return [folder for folder in self._folders.values() if folder.is_dir()]

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._wake.wait()
        except TimeoutError:
            return


def _contents(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(media_files(folder))
    except PlaylistError:
        return ()  # gone for now: the same as a folder without files
