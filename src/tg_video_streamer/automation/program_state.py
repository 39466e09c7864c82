"""Saves pause, slate and quarantine, so that they outlast a restart and a change of hosts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import structlog

from tg_video_streamer.automation.holds import Holds
from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DEADLINE_SECONDS, DISKS, START_SECONDS
from tg_video_streamer.playlist.json_file import read_object, write_object
from tg_video_streamer.playlist.quarantine import Quarantine

log = structlog.get_logger(__name__)

FILE_NAME = "program.json"
SAVE_SECONDS = 1.0
_VERSION = 1


class ProgramState:
    """Belongs to the event loop; a failing disk never stops the program."""

    def __init__(self, folder: Path, holds: Holds, quarantine: Quarantine, clock: Clock) -> None:
        """`folder`: STATE_DIR."""
        self._path = folder / FILE_NAME
        self._holds = holds
        self._quarantine = quarantine
        self._clock = clock
        self._saved: object = None
        self._failing = False

    def restore(self) -> None:
        """Put back what was saved; what is damaged is left out, with a warning. Blocks."""
        try:
            saved = read_object(self._path)
            if saved is not None:
                self._put_back(saved)
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            log.warning("state of pause and quarantine damaged, nothing of it is restored", why=str(error))

    def _put_back(self, saved: dict[str, Any]) -> None:
        """Raises KeyError, TypeError, ValueError and OverflowError where this is not what was saved."""
        if saved["version"] != _VERSION:
            raise ValueError("written by another version")
        self._quarantine.restore(saved["resting"], wall=self._clock.wall())
        paused, slate = saved["paused"] is True, saved["slate"] is True
        if paused or slate:
            log.info("the program is held as before", paused=paused, slate=slate)
            self._holds.change(paused=paused, slate=slate)

    async def run(self) -> None:
        """Save once a second where something has changed, until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(SAVE_SECONDS)
                await self.save(DEADLINE_SECONDS)
        finally:
            await self.save(START_SECONDS)

    async def save(self, seconds: float) -> None:
        """Save it where it has changed, within `seconds`."""
        resting = self._quarantine.saved(wall=self._clock.wall())
        # Not the times, which follow from the clock.
        facts = (self._holds.names, [(one["key"], one["failures"]) for one in resting])
        if facts == self._saved:
            return
        value: dict[str, Any] = {
            "version": _VERSION,
            "paused": self._holds.paused,
            "slate": self._holds.slate,
            "resting": resting,
        }
        try:
            await DISKS.run_within(seconds, self._path.parent, write_object, self._path, value)
        except OSError as error:
            if not self._failing:
                log.error("pause and quarantine cannot be saved; the program continues", error=error.strerror)  # noqa: TRY400 - of the disk
            self._failing = True
        else:
            self._saved, self._failing = facts, False
