"""Fetches for yt-dlp: runs its downloader in a child (`download_child`), and reads its steps."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import structlog

from tg_video_streamer.errors import ResolveError, ToolMissing
from tg_video_streamer.ffmpeg.runner import PIPE, Child
from tg_video_streamer.resolve.failure import download_failure
from tg_video_streamer.resolve.media import Download
from tg_video_streamer.spool.fetch import Progress

_log = structlog.get_logger(__name__)

_CHILD = Path(__file__).with_name("download_child.py")
_NICE = 5
STALL_SECONDS = 90.0
"""A download without a new byte for so long is ended; yt-dlp's own patience is shorter."""
_LARGEST_ANSWER = 1 << 20


class YtdlpFetch:
    """One download by yt-dlp; see `Fetch`."""

    def __init__(self, *, python: str = sys.executable, stall_seconds: float = STALL_SECONDS) -> None:
        """`python`: the interpreter that runs yt-dlp."""
        self._python = python
        self._stall_seconds = stall_seconds

    async def __call__(self, download: Download, target: Path, *, proxy: str, progress: Progress) -> None:
        """See `Fetch`."""
        request: dict[str, Any] = json.loads(download.request)
        request["words"] = [*request.get("words", ()), f"--proxy={proxy}"]
        moved = asyncio.Event()
        have = -1

        def take(line: str) -> None:
            nonlocal have
            step = _step(line)
            if step is None:
                return
            if step[0] > have:
                have = step[0]
                moved.set()
            progress(*step)

        command = (self._python, "-I", str(_CHILD), str(target))
        running = Child.start(
            command,
            stdin=json.dumps(request).encode(),
            stdout=PIPE,
            nice=_NICE,
            folder=target.parent,
            on_line=take,
            capture_bytes=_LARGEST_ANSWER,
        )
        async with running as child:
            await self._wait(child, moved)
            document = _document(child)
        if "error" in document:
            raise download_failure(document)

    async def _wait(self, child: Child, moved: asyncio.Event) -> None:
        """Wait for the child's end. Raises ResolveError if it stalls."""
        async with asyncio.TaskGroup() as group:
            ended = group.create_task(child.wait())
            stalled = False
            while not ended.done() and not stalled:
                moved.clear()
                await asyncio.wait((ended,), timeout=self._stall_seconds)
                stalled = not ended.done() and not moved.is_set()
            if stalled:
                ended.cancel()
        if stalled:
            raise ResolveError.of("spool.stalled", seconds=self._stall_seconds)


def _document(child: Child) -> dict[str, Any]:
    try:
        document = json.loads(child.stdout)
    except ValueError:
        last = child.stderr_tail.strip().rsplit("\n", 1)[-1] or "nothing on stderr"
        if child.returncode is not None and child.returncode < 0:
            raise ResolveError.of("spool.killed", signal=-child.returncode) from None
        raise ToolMissing.of("ytdlp.broken", detail=last) from None
    return document if isinstance(document, dict) else {}


def _step(line: str) -> tuple[int, int | None] | None:
    """The bytes and the whole size in a line of the child's; None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        step = json.loads(line)
        whole = step.get("whole")
        return int(step["bytes"]), None if whole is None else int(whole)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
