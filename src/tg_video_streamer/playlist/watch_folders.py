"""Folders that a playlist names, watched for files that come and go."""

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
"""How late a change is seen at the most where the kernel reports none, as on network disks."""
_NOTICE_SECONDS = 1.0
"""How soon a folder that has come or gone is noticed."""

log = structlog.get_logger(__name__)


class FolderWatcher:
    """Names each followed folder whose playable files are others than when it was looked at last."""

    def __init__(self, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._folders: dict[str, Path] = {}
        self._contents: dict[str, tuple[Path, ...]] = {}
        self._wake = asyncio.Event()

    def follow(self, folders: dict[str, Path]) -> None:
        """From now on these, by the key of their item; what was followed before and is not among them is left."""
        if folders == self._folders:
            return
        self._folders = dict(folders)
        self._contents = {key: seen for key, seen in self._contents.items() if key in folders}
        self._wake.set()

    async def changes(self) -> AsyncGenerator[str, None]:
        """The key of each folder that changed, for expanding it anew; never ends."""
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
        """Whenever something may have happened below a folder; ends when other folders are to be followed."""
        folders = self._existing()
        if not folders:
            await self._pause()
            return
        loop = asyncio.get_running_loop()
        look_at = loop.time()  # a first look as soon as the watch stands, for what happened before it did
        async with aclosing(notices(folders, self._wake, poll_seconds=_NOTICE_SECONDS, recursive=True)) as watch:
            async for happened in watch:
                if happened or loop.time() >= look_at:
                    look_at = loop.time() + self._poll_seconds
                    yield
                if self._existing() != folders:
                    return  # one has come or gone: watch others
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
        return ()  # gone for now: that it has no files is what the caller compares
