"""Saves the position in the playlist, so that the program resumes there after a restart or a kill."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import structlog

from tg_video_streamer.disk import DEADLINE_SECONDS, DISKS, START_SECONDS
from tg_video_streamer.errors import DiskHangs
from tg_video_streamer.playlist.position import Position, PositionStore
from tg_video_streamer.playlist.rotation import Rotation

log = structlog.get_logger(__name__)

SAVE_SECONDS = 1.0
"""How far back a kill can set the program, besides what an output had not sent yet."""


class PositionSaver:
    """Writes the rotation's position after each change; a failing disk never stops the program."""

    def __init__(self, store: PositionStore, rotation: Rotation, item_seconds: Callable[[], float]) -> None:
        """`item_seconds`: how far into the item on air the program is."""
        self._store = store
        self._rotation = rotation
        self._item_seconds = item_seconds
        self._failing = False
        self._saving = threading.Lock()
        self._saved: Position | None = None

    async def run(self) -> None:
        """Save once a second until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(SAVE_SECONDS)
                await self.save(DEADLINE_SECONDS)
        finally:
            await self.save(START_SECONDS)

    async def save(self, seconds: float) -> None:
        """Save it where it has changed, within `seconds`."""
        try:
            await DISKS.run_within(seconds, self._store.folder, self._save, self._position())
        except DiskHangs as error:
            self._report(error)

    def _position(self) -> Position:
        return self._rotation.position(round(self._item_seconds(), 2))

    def _save(self, position: Position) -> None:
        with self._saving:
            if position == self._saved:
                return
            try:
                self._store.save(position)
            except OSError as error:
                self._report(error)
            else:
                self._saved = position
                self._recovered()

    def _report(self, error: OSError) -> None:
        if not self._failing:
            log.error("the position cannot be saved; the program continues", error=error.strerror)
        self._failing = True

    def _recovered(self) -> None:
        if self._failing:
            log.info("the position is saved again")
        self._failing = False
