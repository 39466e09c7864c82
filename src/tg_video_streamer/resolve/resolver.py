"""Finds where an item is now: files on the disk, web items with yt-dlp in a child process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

import structlog

from tg_video_streamer.clock import Clock, SystemClock
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs, ResolveError, StreamerError
from tg_video_streamer.languages import NO_PREFERENCE, TrackPreference
from tg_video_streamer.media import FrameRate
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.answer import addresses, read_answer
from tg_video_streamer.resolve.arguments import formats, resolve_words, shared_words
from tg_video_streamer.resolve.cookies import Cookies
from tg_video_streamer.resolve.failure import REFUSED
from tg_video_streamer.resolve.files import resolve_file
from tg_video_streamer.resolve.format_language import chosen_language
from tg_video_streamer.resolve.http_stream import checked_direct
from tg_video_streamer.resolve.live import resolve_live
from tg_video_streamer.resolve.media import Expansion, Media
from tg_video_streamer.resolve.pacing import SitePace
from tg_video_streamer.resolve.plugins import Plugin, plugin_words
from tg_video_streamer.resolve.proxies import Proxies
from tg_video_streamer.resolve.public_addresses import refuse_private
from tg_video_streamer.resolve.web_subtitles import WebSubtitles, wanted_subtitles
from tg_video_streamer.resolve.ytdlp import ask

DEADLINE_SECONDS = 45.0
DISK_SECONDS = 15.0
"""A hanging network disk must not block the program."""
MOST_CHILDREN = 2000
"""Longer lists are cut: they take yt-dlp longer than the deadline."""
_AT_ONCE = 2

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class WebOptions:
    """How web items are read."""

    proxies: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """By site, from `parse_proxies`; they may hold passwords."""
    cookies: Path | None = None
    """The operator's file in Netscape format, which is never written."""
    arguments: tuple[str, ...] = field(default=(), repr=False)
    """From `parse_ytdlp_args`."""
    plugins: tuple[Plugin, ...] = ()
    provider_url: str = ""
    """Of the provider of PO tokens."""


class Resolver:
    """Resolves items, one at a time for each site; an updated yt-dlp is used from the next item on."""

    def __init__(
        self,
        *,
        allowed: Callable[[], AllowedFolders],
        scratch_folder: Path,
        maximum_height: int = 720,
        frame_rate: FrameRate = FrameRate.FPS30,
        web: WebOptions = WebOptions(),
        clock: Clock = SystemClock(),  # noqa: B008 - without state
        cache_folder: Path | None = None,
        python: str = sys.executable,
        deadline_seconds: float = DEADLINE_SECONDS,
        most_children: int = MOST_CHILDREN,
        preference: TrackPreference = NO_PREFERENCE,
    ) -> None:
        """`allowed` answers for the playlist as it is now. `scratch_folder`: private (0700), where yt-dlp runs.

        `cache_folder`: yt-dlp's cache, None for none. `python`: the interpreter that runs yt-dlp.
        """
        self._allowed = allowed
        self._scratch_folder = scratch_folder
        self._maximum_height = maximum_height
        self._frame_rate = frame_rate
        self._clock = clock
        self._pace = SitePace(clock=clock)
        self._cache_folder = cache_folder
        self._python = python
        self._deadline_seconds = deadline_seconds
        self._most_children = most_children
        self.preference = preference
        """The channel's languages."""
        self.web_subtitles = WebSubtitles(scratch_folder / "subtitles")
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._deno = _find_deno()
        scratch_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.change(web)

    def change(self, web: WebOptions) -> None:
        """Use other options from the next item on; proxies that rest are forgotten."""
        self._web = web
        self._proxies = Proxies(web.proxies, clock=self._clock)
        self._cookies = Cookies(web.cookies, self._scratch_folder)
        self._sent_cookies = ""

    async def resolve(self, item: Item) -> Media | Expansion:
        """Where `item` is now, or its children.

        Raises SourceGone if it was removed, ToolMissing if yt-dlp is missing or broken, and ResolveError for everything
        that may succeed later.
        """
        if item.kind is LocatorKind.URL:
            if item.public_only:
                await refuse_private([item.locator])
            async with self._pace.turn(item.locator), self._turns:
                found = await self._ask_through_proxy(item)
        elif item.kind is LocatorKind.LIVE:
            found = await resolve_live(item)
        else:
            found = await self._read_disk(item)
        if isinstance(found, Expansion) and len(found.children) >= self._most_children and item.kind is LocatorKind.URL:
            log.warning("list cut", key=item.key, items=self._most_children)
        return found

    async def _read_disk(self, item: Item) -> Media | Expansion:
        return await DISKS.run_within(
            DISK_SECONDS, Path(item.locator), resolve_file, item, self._allowed(), preference=self.preference
        )

    async def _cookies_of(self, cookies: Cookies) -> str:
        """The text to send; the one that was sent last where the disk of the file does not answer."""
        with suppress(DiskHangs):
            self._sent_cookies = await DISKS.run(cookies.path, cookies.read)
        return self._sent_cookies

    async def _ask_through_proxy(self, item: Item) -> Media | Expansion:
        """Ask yt-dlp through the proxy whose turn it is; one that a site refuses rests."""
        proxies, proxy = self._proxies, self._proxies.choose(item.locator)
        try:
            found = await self._ask_ytdlp(item, proxy)
        except ResolveError as error:
            if error.reason in REFUSED:
                proxies.refused(item.locator, proxy)
            raise
        proxies.worked(item.locator, proxy)
        return found

    def download_ended(self, item: Item, proxy: str, error: StreamerError | None) -> bool:
        """The download of `item` through `proxy` was whole, or ended with `error`: a proxy that the site refuses rests.

        Whether it was refused.
        """
        if error is None:
            self._proxies.worked(item.locator, proxy, download=True)
            return False
        if error.reason not in REFUSED:
            return False
        self._proxies.refused(item.locator, proxy, download=True)
        return True

    async def _ask_ytdlp(self, item: Item, proxy: str) -> Media | Expansion:
        languages = item.tracks(self.preference).audio
        began = asyncio.get_running_loop().time()
        web, cookies = self._web, self._cookies
        sent = await self._cookies_of(cookies)
        shared = shared_words(
            arguments=web.arguments,
            plugins=plugin_words(web.plugins, web.provider_url),
            cache_folder=self._cache_folder,
            deno=self._deno,
        )
        words = resolve_words(
            maximum_height=self._maximum_height,
            frame_rate=self._frame_rate,
            most_children=self._most_children,
            proxy=proxy,
            shared=shared,
        )
        request = {
            "url": item.locator,
            "words": words,
            "cookies": sent,
            "format": formats(languages),
            "live_format": formats(languages, live=True),
            # A link that may lead to public addresses only is checked before anything of it is downloaded.
            "subtitles": [] if item.public_only else wanted_subtitles(item.tracks(self.preference).subtitles),
        }
        document = await ask(request, python=self._python, seconds=self._deadline_seconds, folder=self._scratch_folder)
        with suppress(DiskHangs):
            await DISKS.run(cookies.path, cookies.store, sent, str(document.get("cookies") or ""))
        log.debug("yt-dlp answered", key=item.key, seconds=round(asyncio.get_running_loop().time() - began, 2))
        found = read_answer(
            document.get("info"),
            item,
            most_children=self._most_children,
            download={"words": shared, "cookies": document.get("cookies")},
        )
        if item.public_only and isinstance(found, Media):
            await refuse_private(addresses(document["info"]))
        if isinstance(found, Expansion):
            return found
        found = replace(found, proxy=proxy)
        if languages and (spoken := chosen_language(document["info"])):
            # Bytes in another language are another source.
            found = replace(found, source_id=f"{found.source_id} {spoken}")
        if document.get("subtitles"):
            found = await asyncio.to_thread(self.web_subtitles.store, found, document["subtitles"])
        direct = document["info"].get("direct") is True and not found.is_live and len(found.inputs) == 1
        return await checked_direct(found, public_only=item.public_only) if direct else found


def _find_deno() -> str | None:
    """The JavaScript runtime of the venv; without one YouTube gives few formats or none."""
    try:
        return str(import_module("deno").find_deno_bin())
    except (ImportError, OSError):
        log.warning("no JavaScript runtime for yt-dlp, YouTube may not play; install the deno wheel")
        return None
