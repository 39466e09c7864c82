"""Missing files: found many at once ahead of their turn, without a failure, and played again as they come back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from stands.virtual_time import SetClock
from tg_video_streamer.automation.file_check import REST_SECONDS, FileCheck
from tg_video_streamer.events import Event
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation


class _Program:
    """A rotation of files, and what is reported about them."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.clock = SetClock()
        self.rotation, self.quarantine = Rotation(), Quarantine(self.clock)
        self.items = [Item(LocatorKind.FILE, str(file)) for file in files]
        self.rotation.replace(self.items)
        self.changes = 0
        self.events: list[Event] = []
        self.check = FileCheck(
            rotation=self.rotation,
            quarantine=self.quarantine,
            library=None,
            logo=str,
            changed=self._changed,
            publish=self.events.append,
            clock=self.clock,
        )

    def _changed(self) -> None:
        self.changes += 1

    def next(self) -> str:
        """The name of the item that is tried next; empty for none."""
        item = self.quarantine.pick(self.rotation)
        return Path(item.locator).name if item is not None else ""


def test_any_number_of_missing_files_costs_no_turn(tmp_path: Path) -> None:
    """Behind 300 missing files the good one is next after one check; each missing one is reported once."""
    good = tmp_path / "good.mp4"
    good.touch()
    program = _Program([*(tmp_path / f"dead{number}.mp4" for number in range(300)), good])
    asyncio.run(program.check.check())
    assert program.next() == "good.mp4"
    assert not program.quarantine.all_fail
    asyncio.run(program.check.check())
    assert len(program.events) == 300


def test_a_folder_that_comes_back_is_played_at_once(tmp_path: Path) -> None:
    """Every file of a folder vanishes for a time: none is tried meanwhile, and the next check after their return has them all."""
    folder, away = tmp_path / "media", tmp_path / "away"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.mp4").touch()
    program = _Program(folder / f"{number}.mp4" for number in range(30))
    asyncio.run(program.check.check())
    assert program.next() == "0.mp4"
    folder.rename(away)
    for _ in range(40):
        program.clock.now += REST_SECONDS / 2
        asyncio.run(program.check.check())
        assert program.next() == ""
    away.rename(folder)
    asyncio.run(program.check.check())
    assert program.next() == "0.mp4"
    assert program.quarantine.resting() == ()
    assert program.changes == 2


def test_a_removed_line_is_forgotten(tmp_path: Path) -> None:
    """A missing file that the playlist names no more is no warning any more."""
    program = _Program([tmp_path / "dead.mp4"])
    asyncio.run(program.check.check())
    assert [one.reason for one in program.quarantine.resting()] == ["source_gone"]
    program.rotation.replace([])
    program.quarantine.keep_only([])
    program.check.edited()
    asyncio.run(program.check.check())
    assert program.quarantine.resting() == ()
