"""A thread that looks at something again and again for as long as a block lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self


class Looking:
    """A context in which `look` is called every `every_seconds` from a thread of its own."""

    def __init__(self, look: Callable[[], None], *, every_seconds: float) -> None:
        self._look = look
        self._every_seconds = every_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="looking", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every_seconds):
            self._look()
