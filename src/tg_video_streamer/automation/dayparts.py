"""Switches the rotation to the playlist of the current daypart, each list at its own position, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import DiskHangs
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.load import allowed_folders, load
from tg_video_streamer.playlist.parser import Playlist
from tg_video_streamer.playlist.position import Position, PositionStore
from tg_video_streamer.playlist.rotation import Rotation

log = structlog.get_logger(__name__)

RETRY_SECONDS = 10.0
"""When a daypart's playlist that has nothing to play is read again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    playlist: Playlist
    position: Position | None


class Dayparts:
    """All methods belong to the event loop's thread. A list's name is its path; empty for the playlist itself."""

    def __init__(
        self,
        *,
        playlist: Path,
        media_folders: Callable[[], tuple[Path, ...]],
        positions: Path,
        rotation: Rotation,
        playlist_sync: PlaylistSync,
    ) -> None:
        """`positions`: the folder with the positions of the lists that do not play now."""
        self.playlist = playlist
        """The one that plays outside every daypart."""
        self._media_folders = media_folders
        self._positions = positions
        self._rotation = rotation
        self._playlist_sync = playlist_sync
        self._not_before = 0.0
        self.problem: Message | None = None
        """Why the playlist of the current daypart does not play; None where it does."""

    def restore(self) -> None:
        """At the start: follow the list that played last; the playlist itself is followed anyway."""
        if name := self._rotation.list_name:
            self._playlist_sync.switch_to(Path(name))

    async def switch_to(self, path: Path | None, wall: float) -> None:
        """Let the list at `path` follow the item on air, None for the playlist; not a list with nothing to play."""
        name = str(path) if path is not None else ""
        if name == self._rotation.list_name:
            self.problem = None
            return
        if wall < self._not_before and self.problem:
            return
        try:
            read = await self._read_within(name)
        except DiskHangs as error:
            self._not_before = wall + RETRY_SECONDS
            self.problem = Message.of("warning.daypart", path=name or str(self.playlist), problem=error.message)
            return
        if name and not read.playlist.entries:
            self._not_before = wall + RETRY_SECONDS
            self._report(Path(name), read.playlist)
            if self._rotation.list_name:
                with suppress(DiskHangs):
                    await self._switch("", await self._read_within(""))
            return
        self.problem = None
        await self._switch(name, read)

    async def _switch(self, name: str, read: _Read) -> None:
        left, position = self._rotation.list_name, self._rotation.list_position()
        self._rotation.switch_to(name, read.playlist.items, read.position)
        self._playlist_sync.switch_to(self._path(name))
        log.info("switched to another playlist", to=name or str(self.playlist))
        with suppress(DiskHangs):
            await DISKS.run_within(START_SECONDS, self._positions, self._save, left, position)

    async def _read_within(self, name: str) -> _Read:
        return await DISKS.run_within(START_SECONDS, self._path(name), self._read, name)

    def _read(self, name: str) -> _Read:
        path = self._path(name)
        return _Read(
            playlist=load(path, allowed_folders(path, self._media_folders())), position=self._store(name).load()
        )

    def _save(self, name: str, position: Position) -> None:
        try:
            self._store(name).save(position)
        except OSError as error:
            log.warning(
                "a playlist's position cannot be saved; it will start from its beginning",
                list=name,
                error=error.strerror,
            )

    def _path(self, name: str) -> Path:
        return Path(name) if name else self.playlist

    def _store(self, name: str) -> PositionStore:
        return PositionStore(self._positions / hashlib.blake2b(name.encode(), digest_size=8).hexdigest())

    def _report(self, path: Path, playlist: Playlist) -> None:
        why = playlist.problems[0].message if playlist.problems else Message.of("failure.empty")
        problem = Message.of("warning.daypart", path=str(path), problem=why)
        if problem != self.problem:
            log.warning("a daypart's playlist is left out", playlist=str(path), why=str(why))
        self.problem = problem
