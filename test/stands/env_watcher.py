"""Looks at a settings file all the time, and remembers every mode, owner and content that it ever had."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from stands.looking import Looking

_PAUSE_SECONDS = 0.0005


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look found; of one and the same file, whatever was renamed meanwhile."""

    there: bool
    mode: int = 0
    owner: int = 0
    text: str = ""


class EnvWatcher(Looking):
    """A context in which a thread looks; `looks` says what was found, `count` how often it looked."""

    def __init__(self, path: Path) -> None:
        super().__init__(self._add, every_seconds=_PAUSE_SECONDS)
        self._path = path
        self.looks: set[Look] = set()
        self.count = 0

    def _add(self) -> None:
        self.looks.add(self._look_once())
        self.count += 1

    def _look_once(self) -> Look:
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                text = file.read().decode()
        except FileNotFoundError:
            return Look(there=False)
        return Look(there=True, mode=stat.S_IMODE(found.st_mode), owner=found.st_uid, text=text)
