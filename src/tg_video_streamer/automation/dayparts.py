"""Turns the program to the playlist of the part that holds, each list at its own place, and back."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.playlist.load import allowed_folders, load
from tg_video_streamer.playlist.parser import Playlist
from tg_video_streamer.playlist.position import PositionStore
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.standing import Position

log = structlog.get_logger(__name__)

AGAIN_SECONDS = 10.0
"""A part's playlist that holds nothing to play is looked at again after so long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    playlist: Playlist
    place: Position | None


class Dayparts:
    """All methods belong to the event loop's thread. A list is known by its path; the playlist itself by an empty name."""

    def __init__(
        self,
        *,
        playlist: Path,
        media_folders: Callable[[], tuple[Path, ...]],
        places: Path,
        rotation: Rotation,
        listing: PlaylistSync,
    ) -> None:
        """`places`: the folder with the places of the lists that do not play now."""
        self.playlist = playlist
        """The one that plays where no part holds."""
        self._media_folders = media_folders
        self._places = places
        self._rotation = rotation
        self._listing = listing
        self._not_before = 0.0
        self.problem = ""
        """Why the list of the part that holds does not play; empty where it does."""

    def stay(self) -> None:
        """At the start: go on with the list that was left, if that was not the playlist, which is followed anyway."""
        if name := self._rotation.list_name:
            self._listing.turn_to(Path(name))

    async def turn_to(self, path: Path | None, wall: float) -> None:
        """Have that part's list follow what is on air, None for the playlist; a list with nothing to play is left out."""
        name = str(path) if path is not None else ""
        if name == self._rotation.list_name:
            self.problem = ""
            return
        if wall < self._not_before and self.problem:
            return
        read = await asyncio.to_thread(self._read, name)
        if name and not read.playlist.entries:
            self._not_before = wall + AGAIN_SECONDS
            self._complain(Path(name), read.playlist)
            if self._rotation.list_name:
                await self._turn("", await asyncio.to_thread(self._read, ""))
            return
        self.problem = ""
        await self._turn(name, read)

    async def _turn(self, name: str, read: _Read) -> None:
        left, place = self._rotation.list_name, self._rotation.leave()
        self._rotation.turn_to(name, read.playlist.items, read.place)
        self._listing.turn_to(self._path(name))
        log.info("the list turns", to=name or str(self.playlist))
        await asyncio.to_thread(self._save, left, place)

    def _read(self, name: str) -> _Read:
        path = self._path(name)
        return _Read(playlist=load(path, allowed_folders(path, self._media_folders())), place=self._store(name).load())

    def _save(self, name: str, place: Position) -> None:
        try:
            self._store(name).save(place)
        except OSError as error:
            log.warning("a list's place cannot be saved; it will begin anew", list=name, error=error.strerror)

    def _path(self, name: str) -> Path:
        return Path(name) if name else self.playlist

    def _store(self, name: str) -> PositionStore:
        return PositionStore(self._places / hashlib.blake2b(name.encode(), digest_size=8).hexdigest())

    def _complain(self, path: Path, playlist: Playlist) -> None:
        why = str(playlist.problems[0]) if playlist.problems else "it lists nothing"
        problem = f"the playlist {path} of the part that holds cannot be played, another goes on: {why}"
        if problem != self.problem:
            log.warning("a part's playlist is left out", playlist=str(path), why=why)
        self.problem = problem
