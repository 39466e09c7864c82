"""Looks at a settings file all the time, and remembers every mode, owner and content that it ever had."""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_PAUSE_SECONDS = 0.0005


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look found; of one and the same file, whatever was renamed meanwhile."""

    there: bool
    mode: int = 0
    owner: int = 0
    text: str = ""


class EnvWatcher:
    """A context in which a thread looks; `looks` says what was found, `count` how often it looked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="env watcher")
        self.looks: set[Look] = set()
        self.count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_PAUSE_SECONDS):
            self.looks.add(self._look())
            self.count += 1

    def _look(self) -> Look:
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                text = file.read().decode()
        except FileNotFoundError:
            return Look(there=False)
        return Look(there=True, mode=stat.S_IMODE(found.st_mode), owner=found.st_uid, text=text)
