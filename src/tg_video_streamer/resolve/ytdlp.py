"""Runs yt-dlp's child process (`ytdlp_child`), and reads what it needs and what it says."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from tg_video_streamer.errors import ChildFailed, ResolveError, ToolMissing
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.resolve.failure import failure, short

log = structlog.get_logger(__name__)

_CHILD = Path(__file__).with_name("ytdlp_child.py")
_LARGEST_ANSWER = 128 * 1024 * 1024
_VERSION_SECONDS = 20.0


async def ask(request: Mapping[str, Any], *, python: str, seconds: float, folder: Path | None = None) -> dict[str, Any]:
    """The child's document for `request`, which has an answer. `folder`: where it runs.

    Raises ToolMissing if yt-dlp is missing or broken, else what the error of yt-dlp means: a ResolveError.
    """
    try:
        ended = await run(
            [python, "-I", str(_CHILD)],
            stdin=json.dumps(request).encode(),
            timeout_seconds=seconds,
            limit_bytes=_LARGEST_ANSWER,
            folder=folder,
            nice=5,
        )
    except ChildFailed as error:
        raise ResolveError.of("ytdlp.slow", seconds=seconds) from error
    try:
        document = json.loads(ended.stdout)
    except (ValueError, RecursionError):
        last = ended.stderr_tail.strip().rsplit("\n", 1)[-1] or "nothing on stderr"
        raise ToolMissing.of("ytdlp.broken", detail=last) from None
    if not isinstance(document, dict):
        raise ResolveError.of("ytdlp.no_answer")
    if "missing" in document:
        if document["missing"]:
            raise ToolMissing.of("ytdlp.missing")
        raise ToolMissing.of("ytdlp.broken", detail=str(document.get("detail")))
    if document.get("cookies_refused"):
        log.warning("YTDLP_COOKIES is not a cookies file in Netscape format, continuing without cookies")
    for warning in document.get("warnings") or ():
        log.debug("yt-dlp warns", text=short(str(warning)))
    if "error" in document:
        raise failure(document)
    return document


async def ytdlp_version(python: str = sys.executable) -> str:
    """The version of the installed yt-dlp. Raises ToolMissing."""
    try:
        document = await ask({}, python=python, seconds=_VERSION_SECONDS)
    except ToolMissing:
        raise
    except ResolveError as error:
        raise ToolMissing.of("ytdlp.broken", detail=error.what) from error
    return str(document.get("version"))
