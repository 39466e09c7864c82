"""The position in the playlist, as a value and on disk; after a kill at any moment the old or the new one is there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.json_file import item_as_json, item_from_json, read_object, write_object

_VERSION = 1
_POSITION = "position.json"
_PLAYED = "played.json"
_SECONDS = "seconds.json"
_SYNC_SECONDS = 30.0
"""How far an item plays before its position is synced again: at most so much is repeated after a power failure."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Everything that a restart needs to resume."""

    key: str = ""
    """Of the item on air; empty before the first one."""
    seconds: float = 0.0
    """How far into it."""
    trail: tuple[str, ...] = ()
    """Keys of the last item from the list: the lists that contain it, outermost first, then its own."""
    entry_index: int = 0
    child_index: int = 0
    """Its index among the playlist's entries, and among the items of its entry."""
    passed: bool = False
    """It has ended, and an item from the queue is on air."""
    seed: int = 0
    round_number: int = 0
    played: frozenset[str] = frozenset()
    """Shuffle: the keys played in this round."""
    queue: tuple[Item, ...] = ()
    """Queued by the operator or the schedule; starts with the item on air where that came from the queue."""
    list_name: str = ""
    """The file of a scheduled list; empty for the playlist itself."""
    set_aside: tuple[tuple[str, float], ...] = ()
    """Items that were cut, by key, and how far they had played: they resume there in their turn."""


class PositionStore:
    """`position.json`, and `played.json` for the keys that shuffle played: it may be large and changes once per item.

    `seconds.json` is the position in the item, written every time and never synced: it survives a kill, and after a power
    failure `position.json` is good enough. Two syncs a second would be most of its cost.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: STATE_DIR; created where missing."""
        self.folder = self._folder = folder
        self._played_on_disk: tuple[int, frozenset[str]] | None = None
        self._synced: Position | None = None

    def save(self, position: Position) -> None:
        """Write `position`. Blocks, at times for two syncs. Raises OSError (disk full, read-only); the old file stays."""
        if not self._only_seconds_changed(position):
            self._save_whole(position)
        self._write(_SECONDS, {"of": _identity(position), "seconds": position.seconds}, synced=False)

    def _save_whole(self, position: Position) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._synced = None
        played = (position.round_number, position.played)
        if played != self._played_on_disk:
            self._write(_PLAYED, {"round": position.round_number, "played": sorted(position.played)})
            self._played_on_disk = played
        self._write(
            _POSITION,
            {
                "version": _VERSION,
                "key": position.key,
                "seconds": position.seconds,
                "trail": list(position.trail),
                "entry_index": position.entry_index,
                "child_index": position.child_index,
                "passed": position.passed,
                "seed": position.seed,
                "round": position.round_number,
                "queue": [item_as_json(item) for item in position.queue],
                "list": position.list_name,
                "set_aside": [list(one) for one in position.set_aside],
            },
        )
        self._synced = position

    def load(self) -> Position | None:
        """The saved position; None without one, and with a warning where a file is damaged."""
        saved = self._read(_POSITION)
        if saved is None:
            return None
        try:
            position = _position_from_json(saved, self._read(_PLAYED) or {})
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            self._warn(_POSITION, str(error))
            return None
        return _with_seconds(position, self._read(_SECONDS) or {})

    def age_seconds(self, wall: float) -> float:
        """How long before `wall` the position was saved last; infinite where it never was."""
        try:
            return wall - (self._folder / _SECONDS).stat().st_mtime
        except OSError:
            return math.inf

    def _only_seconds_changed(self, position: Position) -> bool:
        """It is a little further in the same item as the synced position, whose file is still there."""
        synced = self._synced
        if synced is None or replace(position, seconds=synced.seconds) != synced:
            return False
        return 0 <= position.seconds - synced.seconds < _SYNC_SECONDS and (self._folder / _POSITION).is_file()

    def _write(self, name: str, value: dict[str, Any], *, synced: bool = True) -> None:
        write_object(self._folder / name, value, synced=synced)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            return read_object(self._folder / name)
        except (OSError, ValueError, RecursionError) as error:
            self._warn(name, str(error))
            return None

    def _warn(self, name: str, why: str) -> None:
        log.warning("position file damaged, the playlist starts from its beginning", file=name, why=why)


def _position_from_json(saved: dict[str, Any], played: dict[str, Any]) -> Position:
    """Raises KeyError, TypeError or ValueError where this is not what `save` wrote."""
    if saved["version"] != _VERSION:
        raise ValueError("written by another version")
    seconds = float(saved["seconds"])
    if not math.isfinite(seconds):
        raise ValueError("seconds is not a number")
    same_round = played.get("round") == saved["round"]
    return Position(
        key=str(saved["key"]),
        seconds=max(0.0, seconds),
        trail=tuple(str(key) for key in saved["trail"]),
        entry_index=max(0, int(saved["entry_index"])),
        child_index=max(0, int(saved["child_index"])),
        passed=bool(saved["passed"]),
        seed=int(saved["seed"]),
        round_number=int(saved["round"]),
        played=frozenset(str(key) for key in played["played"]) if same_round else frozenset(),
        queue=tuple(item_from_json(item) for item in saved["queue"]),
        # Earlier versions wrote neither.
        list_name=str(saved.get("list", "")),
        set_aside=tuple((str(key), float(at)) for key, at in saved.get("set_aside", ())),
    )


def _identity(position: Position) -> list[Any]:
    """What distinguishes one play of an item from another."""
    return [position.key, position.entry_index, position.child_index, position.passed, position.round_number]


def _with_seconds(position: Position, later: dict[str, Any]) -> Position:
    """`position` with its later seconds; the unsynced file may belong to another item, or be damaged."""
    seconds = later.get("seconds")
    if later.get("of") != _identity(position) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return position
    return replace(position, seconds=max(0.0, float(seconds)))
