"""Notices when the settings file changes: the kernel's notices wake it, a look at the file decides."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import structlog
from watchfiles import awatch

log = structlog.get_logger(__name__)

_POLL_SECONDS = 2.0
"""The longest time after which a change is seen where the kernel reports none."""
_SETTLE_SECONDS = 0.15

Fingerprint = tuple[str, int, int, int, int] | None


class SettingsWatch:
    """Remembers how the file looked, so that no change between two waits is missed."""

    def __init__(self, path: Path | None) -> None:
        """Without a file nothing ever changes."""
        self._path = path.absolute() if path is not None else None
        self._seen = self._fingerprint()

    def read(self) -> None:
        """The file is about to be read: what is there now is no change."""
        self._seen = self._fingerprint()

    async def changed(self, seconds: float) -> bool:
        """Wait until the file is another than at the last `read`, for `seconds` at most; whether it is."""
        try:
            async with asyncio.timeout(seconds):
                await self._until_changed()
        except TimeoutError:
            return False
        return True

    async def _until_changed(self) -> None:
        while self._fingerprint() == self._seen:
            try:
                await self._notice()
            except (OSError, RuntimeError) as error:
                log.debug("settings file is polled", why=str(error))
                await asyncio.sleep(_POLL_SECONDS)
        # Editors truncate first and write then.
        before = self._fingerprint()
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            after = self._fingerprint()
            if after == before:
                return
            before = after

    async def _notice(self) -> None:
        if self._path is None:
            await asyncio.Event().wait()
            return
        notices = awatch(
            *_folders(self._path),
            watch_filter=None,
            debounce=1000,
            step=500,  # it wakes a thread so often
            rust_timeout=round(_POLL_SECONDS * 1000),
            yield_on_timeout=True,
            recursive=False,
        )
        async for _ in notices:
            if self._fingerprint() != self._seen:
                return

    def _fingerprint(self) -> Fingerprint:
        if self._path is None:
            return None
        real = os.path.realpath(self._path)
        try:
            found = os.stat(real)  # noqa: PTH116 - beside realpath, whose answer is a string
        except OSError:
            return None
        return real, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _folders(path: Path) -> set[Path]:
    """Of the file and of what a link to it means."""
    return {path.parent, Path(os.path.realpath(path)).parent}
