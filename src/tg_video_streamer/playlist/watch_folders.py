"""Watches the folders of a playlist for added and removed files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import structlog

from tg_video_streamer.errors import PlaylistError
from tg_video_streamer.file_watch import notices
from tg_video_streamer.playlist.folders import media_files

POLL_SECONDS = 30.0
"""The latest that a change is seen where the kernel reports none, as on network disks."""
_NOTICE_SECONDS = 1.0
"""How soon a created or removed folder is noticed."""

log = structlog.get_logger(__name__)


class FolderWatcher:
    """Reports each followed folder whose playable files have changed."""

    def __init__(self, *, poll_seconds: float = POLL_SECONDS) -> None:
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
