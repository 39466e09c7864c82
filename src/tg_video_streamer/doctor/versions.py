"""Lists the versions of programs and libraries, for a report of a fault."""

from __future__ import annotations

import platform
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import StreamerError
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.locales.message import Message
from tg_video_streamer.resolve.ytdlp import ytdlp_version

CACHE_SECONDS = 600.0
"""A query starts three child processes; an update of yt-dlp shows this late at most."""
_ASK_SECONDS = 15.0
_LIBRARIES = {"av": "PyAV", "telethon": "Telethon", "ntgcalls": "ntgcalls", "starlette": "Starlette"}


class Versions:
    """Caches the versions; use it in the event loop's thread only."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._programs: dict[str, str | Message] = dict.fromkeys(("ffmpeg", "yt-dlp", "deno"), "…")
        self._asked = float("-inf")

    def listed(self) -> tuple[tuple[str, str | Message], ...]:
        """Names and known versions; a program that fails is listed with that."""
        libraries = ((name, _installed(package)) for package, name in _LIBRARIES.items())
        return (("Python", platform.python_version()), *self._programs.items(), *libraries)

    async def ask(self) -> None:
        """Query the programs again if the cache is too old."""
        if self._clock.monotonic() - self._asked <= CACHE_SECONDS:
            return
        self._asked = self._clock.monotonic()
        for name, ask in (("ffmpeg", _ffmpeg), ("yt-dlp", self._ytdlp), ("deno", _deno)):
            self._programs[name] = await _answer(ask)

    async def _ytdlp(self) -> str | Message:
        return with_age(await ytdlp_version(), datetime.fromtimestamp(self._clock.wall(), UTC).date())


def with_age(ytdlp: str, today: date) -> str | Message:
    """A version that is its own date, with how many days ago that was."""
    numbers = [int(number) for number in re.findall(r"\d+", ytdlp)]
    try:
        days = (today - date(*numbers[:3])).days
    except (TypeError, ValueError):
        return ytdlp
    return Message.of("version.with_age", version=ytdlp, days=max(0, days))


async def _answer(ask: Callable[[], Awaitable[str | Message]]) -> str | Message:
    try:
        return await ask() or "?"
    except (StreamerError, ImportError, OSError):
        return Message.of("version.no_answer")


async def _ffmpeg() -> str:
    return _word(await _first_line([str(find_ffmpeg()), "-version"]), r"version (\S+)")


async def _deno() -> str:
    return _word(await _first_line([str(import_module("deno").find_deno_bin()), "--version"]), r"deno (\S+)")


async def _first_line(command: list[str]) -> str:
    done = await run(command, timeout_seconds=_ASK_SECONDS)
    return (done.stdout.decode("utf-8", "replace").splitlines() or [""])[0]


def _word(line: str, pattern: str) -> str:
    found = re.search(pattern, line)
    return found[1] if found else line


def _installed(package: str) -> str | Message:
    try:
        return version(package)
    except PackageNotFoundError:
        return Message.of("version.not_installed")
