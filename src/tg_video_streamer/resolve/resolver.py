"""Finds where an item is now: files on the disk, web items with yt-dlp in a child process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from tg_video_streamer.errors import ChildFailed, ResolveError, ToolMissing
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.answer import read_answer
from tg_video_streamer.resolve.arguments import command, standard_input
from tg_video_streamer.resolve.failure import failure
from tg_video_streamer.resolve.files import resolve_file
from tg_video_streamer.resolve.media import Expansion, Media
from tg_video_streamer.resolve.public_addresses import refuse_private

_PREFIX = "yt-dlp-cookies-"

DEADLINE_SECONDS = 45.0
DISK_SECONDS = 15.0
"""A hanging network disk must not block the program."""
MOST_CHILDREN = 2000
"""Longer lists are cut: they take yt-dlp longer than the deadline."""
_AT_ONCE = 2
_LARGEST_ANSWER = 128 * 1024 * 1024

log = structlog.get_logger(__name__)


class Resolver:
    """Resolves items, a few at a time, without state: an updated yt-dlp is used from the next item on."""

    def __init__(
        self,
        *,
        allowed: Callable[[], AllowedFolders],
        scratch_folder: Path,
        maximum_height: int = 720,
        proxy: str = "",
        cookies: Path | None = None,
        arguments: Sequence[str] = (),
        cache_folder: Path | None = None,
        python: str = sys.executable,
        deadline_seconds: float = DEADLINE_SECONDS,
        most_children: int = MOST_CHILDREN,
    ) -> None:
        """`allowed` answers for the playlist as it is now. `scratch_folder`: private (0700), for copies of `cookies`.

        `proxy` may hold a password. `arguments` come from `parse_ytdlp_args`. `cache_folder`: yt-dlp's cache, None for
        none. `python`: the interpreter that runs yt-dlp.
        """
        self._allowed = allowed
        self._scratch_folder = scratch_folder
        self._maximum_height = maximum_height
        self._proxy = proxy
        self._cookies = cookies
        self._arguments = tuple(arguments)
        self._cache_folder = cache_folder
        self._python = python
        self._deadline_seconds = deadline_seconds
        self._most_children = most_children
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._deno = _find_deno()
        scratch_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_left_copies(scratch_folder)

    def change(self, *, proxy: str, cookies: Path | None, arguments: Sequence[str]) -> None:
        """Use other settings from the next item on; as in the constructor."""
        self._proxy, self._cookies, self._arguments = proxy, cookies, tuple(arguments)

    async def resolve(self, item: Item) -> Media | Expansion:
        """Where `item` is now, or its children.

        Raises SourceGone if it was removed, ToolMissing if yt-dlp is missing or broken, and ResolveError for everything
        that may succeed later.
        """
        if item.kind is LocatorKind.URL:
            if item.public_only:
                await refuse_private([item.locator])
            async with self._turns:
                found = await self._ask_ytdlp(item)
            if item.public_only and isinstance(found, Media):
                await refuse_private(one.location for one in found.inputs if not one.is_file)
        else:
            found = await self._read_disk(item)
        if isinstance(found, Expansion) and len(found.children) >= self._most_children and item.kind is LocatorKind.URL:
            log.warning("list cut", key=item.key, items=self._most_children)
        return found

    async def _read_disk(self, item: Item) -> Media | Expansion:
        try:
            async with asyncio.timeout(DISK_SECONDS):
                return await asyncio.to_thread(resolve_file, item, self._allowed())
        except TimeoutError:
            raise ResolveError.of("source.slow_disk", path=item.locator) from None

    async def _ask_ytdlp(self, item: Item) -> Media | Expansion:
        secret = "@" in urlsplit(item.locator).netloc
        proxy = self._proxy
        began = asyncio.get_running_loop().time()
        with private_copy(self._cookies, self._scratch_folder) as cookies:
            words = command(
                self._python,
                None if secret else item.locator,
                cookies=cookies,
                cache_folder=self._cache_folder,
                deno=self._deno,
            )
            settings = standard_input(
                maximum_height=self._maximum_height,
                most_children=self._most_children,
                proxy=proxy,
                arguments=self._arguments,
                url=item.locator if secret else None,
            )
            try:
                ended = await run(
                    words,
                    stdin=settings,
                    timeout_seconds=self._deadline_seconds,
                    limit_bytes=_LARGEST_ANSWER,
                    folder=self._scratch_folder,
                    nice=5,
                )
            except ChildFailed as error:
                raise ResolveError.of("ytdlp.slow", seconds=self._deadline_seconds) from error
        log.debug("yt-dlp answered", key=item.key, seconds=round(asyncio.get_running_loop().time() - began, 2))
        answer = _parsed(ended.stdout)
        if answer is None:
            raise failure(ended.returncode, ended.stderr_tail)
        found = read_answer(answer, item, most_children=self._most_children)
        return replace(found, proxy=proxy) if isinstance(found, Media) else found


async def ytdlp_version(python: str = sys.executable) -> str:
    """The version of the installed yt-dlp. Raises ToolMissing."""
    try:
        ended = await run([python, "-I", "-m", "yt_dlp", "--ignore-config", "--version"], timeout_seconds=20)
    except ChildFailed as error:
        raise ToolMissing("yt-dlp does not answer", remedy="reinstall yt-dlp in the venv") from error
    version = ended.stdout.decode("utf-8", "replace").strip()
    if ended.returncode != 0 or not version:
        raise failure(ended.returncode or 2, ended.stderr_tail)
    return version


def _parsed(stdout: bytes) -> object:
    """The answer; None if there is none: yt-dlp prints `null` after a failure."""
    try:
        return json.loads(stdout) if stdout.strip() else None
    except (ValueError, RecursionError):
        return None


def _find_deno() -> str | None:
    """The JavaScript runtime of the venv; without one YouTube gives few formats or none."""
    try:
        return str(import_module("deno").find_deno_bin())
    except (ImportError, OSError):
        log.warning("no JavaScript runtime for yt-dlp, YouTube may not play; install the deno wheel")
        return None


@contextmanager
def private_copy(cookies: Path | None, folder: Path) -> Iterator[Path | None]:
    """The path of a 0600 copy in `folder`, deleted at the end of the block; None without cookies.

    An unreadable file is only a warning: most sources play without cookies.
    """
    if cookies is None:
        yield None
        return
    try:
        data = cookies.read_bytes()
    except OSError as error:
        log.warning("YTDLP_COOKIES cannot be read, continuing without cookies", file=str(cookies), why=error.strerror)
        yield None
        return
    descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=".txt", dir=folder)  # has mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def remove_left_copies(folder: Path) -> None:
    """Delete the copies that a killed service has left in `folder`."""
    for left in folder.glob(f"{_PREFIX}*.txt"):
        left.unlink(missing_ok=True)
