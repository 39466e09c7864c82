"""A process that spools addresses until they are whole, and is killed meanwhile: `python -m stands.spool_child FOLDER URL…`."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from stands.spooling import spooling, url_item
from stands.waiting import wait_until

_TESTS = Path(__file__).resolve().parent.parent


async def _spool(folder: Path, urls: list[str]) -> None:
    items = [url_item(url) for url in urls]
    async with spooling(folder, wanted=items) as running:
        await running.whole(*items, seconds=120)


def spool_until_whole(folder: Path, *urls: str) -> None:
    """Run the process to its end."""
    done = _start(folder, urls).wait(150)
    assert done == 0


def kill_at(folder: Path, have_bytes: int, *urls: str) -> None:
    """Run the process until so many bytes of media are on the disk, and kill it with SIGKILL."""
    process = _start(folder, urls)
    try:
        wait_until(
            lambda: process.poll() is not None or media_bytes(folder) >= have_bytes,
            timeout=90,
            what=f"{have_bytes} bytes",
            every=0.005,
        )
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def media_bytes(folder: Path) -> int:
    """Bytes of all media files in the spool; one that goes meanwhile counts as gone."""
    found = 0
    for one in (folder / "spool").glob("*/?.*"):
        if one.suffix not in {".ytdl", ".json", ".new"}:
            with suppress(FileNotFoundError):
                found += one.stat().st_size
    return found


def _start(folder: Path, urls: tuple[str, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "stands.spool_child", str(folder), *urls], cwd=_TESTS)


if __name__ == "__main__":
    asyncio.run(_spool(Path(sys.argv[1]), sys.argv[2:]))
