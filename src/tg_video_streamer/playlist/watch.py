"""Yields the playlist after each change of its file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import structlog

from tg_video_streamer.disk import DISKS, TRY_AGAIN_SECONDS
from tg_video_streamer.errors import DiskHangs, PlaylistError
from tg_video_streamer.file_watch import POLL_SECONDS, FileWatch, notices
from tg_video_streamer.playlist.folders import AllowedFolders, FolderAllowlist, media_files
from tg_video_streamer.playlist.load import allowed_folders, load
from tg_video_streamer.playlist.parser import Playlist

FOLDER_POLL_SECONDS = 30.0
"""The latest that a change is seen where the kernel reports none, as on network disks."""
LOAD_SECONDS = 30.0
"""Of a long list, or a folder with many files, on a slow disk."""
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
        self._homes: dict[Path, Path] = {}
        """The folder of each playlist itself, where its name is a link."""
        self.allowed = self._own_allowed = AllowedFolders.of(())
        """The allowed folders as of the last read: the playlist's folder changes with a link's target."""
        self._allow_by_name()

    def switch_to(self, playlist: Path) -> None:
        """Watch another file from now on; its state is yielded next."""
        self._playlist = playlist.absolute()
        self._watch.follow(self._playlist)
        self._allow_by_name()
        self.reload()

    def allow(self, media_folders: tuple[Path, ...]) -> None:
        """Replace the media folders; where links among them lead counts from the next read on, which follows."""
        self.media_folders = media_folders
        self._allow_by_name()
        self._watch.wake()

    def reload(self) -> None:
        """Read the file again at once and yield it, changed or not."""
        self._forced = True
        self._watch.wake()

    async def states(self) -> AsyncGenerator[Playlist, None]:
        """The playlist now and after each change; never ends. A missing, empty or binary file is an empty playlist.

        While its disk does not answer, the last state stays; at the start the first one waits for the disk.
        """
        playlist: Playlist | None = None
        DISKS.on_return(self.reload)
        while True:
            await self._watch.mark_read()
            forced, self._forced = self._forced, False
            path = self._playlist
            try:
                fresh = await self._load()
            except DiskHangs as error:
                log.warning("the playlist cannot be read, the last known one stays", why=str(error))
                self._forced = True
                await self._watch.changed(TRY_AGAIN_SECONDS)
                continue
            # The watch switched to another file during the read: that one is read next.
            if path == self._playlist and (forced or fresh != playlist):
                playlist = fresh
                yield playlist
            await self._watch.changed()

    async def _load(self) -> Playlist:
        path = self._playlist
        own, allowed, playlist = await DISKS.run_within(
            LOAD_SECONDS, path, _load, self._own_playlist, path, self.media_folders
        )
        self._homes |= {self._own_playlist: Path(own.folders[0]), path: Path(allowed.folders[0])}
        self._allow(own, allowed)
        log.info("playlist read", entries=len(playlist.entries), problems=len(playlist.problems))
        return playlist

    def own_allowed(self) -> AllowedFolders:
        """The allowed folders of the playlist itself, also while another list is watched."""
        return self._own_allowed

    def _allow_by_name(self) -> None:
        """Until the next read the names count, and where the links of the playlists led at the last one."""
        own, home = (self._homes.get(path, path.parent) for path in (self._own_playlist, self._playlist))
        self._allow(AllowedFolders.of((own, *self.media_folders)), AllowedFolders.of((home, *self.media_folders)))

    def _allow(self, own: AllowedFolders, allowed: AllowedFolders) -> None:
        """The allowlist always has the folders of the playlist too."""
        self._own_allowed, self.allowed = own, allowed
        self._allowlist.allow("playlist", AllowedFolders.of((*own.folders, *allowed.folders)))


def _load(
    own: Path, playlist: Path, media_folders: tuple[Path, ...]
) -> tuple[AllowedFolders, AllowedFolders, Playlist]:
    allowed = allowed_folders(playlist, media_folders)
    return allowed_folders(own, media_folders), allowed, load(playlist, allowed)


class FolderWatcher:
    """Reports each followed folder whose playable files have changed."""

    def __init__(self, *, poll_seconds: float = FOLDER_POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._folders: dict[str, Path] = {}
        self._contents: dict[str, tuple[Path, ...]] = {}
        self._there: set[Path] = set()
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
            try:
                contents = await DISKS.run_within(LOAD_SECONDS, folder, _contents, folder)
            except DiskHangs:
                continue  # what was last known stays
            before = self._contents.get(key)
            self._contents[key] = contents
            if before is not None and before != contents:
                log.info("folder changed", folder=str(folder), files=len(contents))
                changed.append(key)
        return changed

    async def _possible_changes(self) -> AsyncGenerator[None, None]:
        """After each possible change below a folder; ends when the followed folders change."""
        folders = await self._existing()
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
                if await self._existing() != folders:
                    return  # one was created or removed: watch the new set
        await self._pause()

    async def _existing(self) -> list[Path]:
        """Those that are there, or were before their disk stopped answering."""
        for folder in list(self._folders.values()):
            try:
                there = await DISKS.run(folder, folder.is_dir)
            except DiskHangs:
                continue
            (self._there.add if there else self._there.discard)(folder)
        return [folder for folder in self._folders.values() if folder in self._there]

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
