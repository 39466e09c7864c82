"""Walks a playlist, nested lists included, and encodes every item that is not cached."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tg_video_streamer.app.downloading import Downloading
from tg_video_streamer.cli.language import words
from tg_video_streamer.cli.library_progress import Terminal
from tg_video_streamer.control.status_text import StatusText, printable
from tg_video_streamer.errors import LibraryError, PlaylistError, StreamerError
from tg_video_streamer.feed.prepare import PreparedItem, PrepareResult, PreparingFeed, prepare_item
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.library import Grade, Library
from tg_video_streamer.locales.format import clock_text
from tg_video_streamer.locales.message import Message
from tg_video_streamer.logs import Redaction
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.tree import Tree
from tg_video_streamer.resolve.media import Expansion, Resolve
from tg_video_streamer.spool.report import DownloadReport

FULL_PART = 0.98
"""From this part of LIBRARY_MAX_GB on no more items are encoded: the library is full of items of this playlist."""

_COUNTED = (
    PrepareResult.CACHED,
    PrepareResult.ALREADY_CACHED,
    PrepareResult.LIVE,
    PrepareResult.BUSY,
    PrepareResult.FAILED,
)

_Name = tuple[str, float]


class Walk:
    """One pass: checks every item first, which is cheap, and then encodes the missing ones."""

    def __init__(
        self,
        resolve: Resolve,
        make_feed: PreparingFeed,
        library: Library,
        *,
        downloads: Downloading,
        terminal: Terminal,
        redact: Redaction,
        logo: str = "",
    ) -> None:
        """`logo`: the digest of the logo that the items show."""
        self._downloads = downloads
        self._logo = logo
        self._resolve = resolve
        self._make_feed = make_feed
        self._library = library
        self._terminal = terminal
        self._text = StatusText(words)
        self._redact = redact
        self._tree = Tree()
        self._seen: set[_Name] = set()
        self._listed: dict[str, int] = {}
        self._live: dict[_Name, CachedEncode] = {}
        """Items that were encoded on air: a better encode takes the place of each when all others are done."""
        self._counts: Counter[PrepareResult] = Counter()
        self._failed: list[str] = []
        self._left_out = 0
        self._whole = 0
        """How many items there are, as far as lists are known."""
        self._lists = 0
        self._full = ""
        self._again: list[Item] = []
        """Tried again at the end: another line of the same video was being encoded."""
        self._tried_again: set[_Name] = set()
        self._encoding: list[Item] = []

    @property
    def failures(self) -> list[str]:
        """One line for each item that could not be cached."""
        if not self._left_out:
            return self._failed
        return [*self._failed, words.text("library.left_out", count=self._left_out, reason=self._full)]

    @property
    def summary(self) -> str:
        """The number of items for each result, in one line."""
        counts = {**self._counts, PrepareResult.FAILED: len(self._failed) + self._left_out}
        return ", ".join(
            words.text(f"library.count.{result}", count=counts.get(result, 0))
            for result in _COUNTED
            if counts.get(result) or result not in {PrepareResult.LIVE, PrepareResult.BUSY}
        )

    async def through(self, items: Sequence[Item], *, at_once: int) -> None:
        """Encode `items` and those of their lists; cancelling leaves no incomplete encode."""
        self._tree.replace(items)
        waiting = await self._check_new()
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            while waiting or running:
                while waiting and len(running) < at_once:
                    item = waiting.pop(0)
                    self._encoding.append(item)
                    running.add(tasks.create_task(self._encode(item)))
                self._downloads.plan(waiting, self._encoding)
                _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                # Only the site's answer shows that an address is a list: its items come next.
                waiting = [*await self._check_new(), *waiting]
                if not waiting and not running:
                    waiting, self._again = self._again, []

    async def _check_new(self) -> list[Item]:
        """New items of the tree to encode; cached items and items that cannot be found are done."""
        missing: dict[_Name, Item] = {}
        while fresh := {_name(item): item for item in self._tree.run.items if _name(item) not in self._seen}:
            self._seen |= fresh.keys()
            self._whole = len(self._seen) - self._lists
            missing |= {name: item for name, item in fresh.items() if not await self._is_done(item)}
        # In the order of the playlist, lists within it included; what has an encode at all comes last.
        found = {_name(item): item for item in self._tree.run.items if _name(item) in missing}
        return sorted(found.values(), key=lambda item: _name(item) in self._live)

    async def _is_done(self, item: Item) -> bool:
        try:
            found = await self._find(item)
            if isinstance(found, Expansion):
                self._expand(item, found)
            elif found is not None and await self._may_be_better(item, found):
                self._live[_name(item)] = found
                self._listed[found.key] = found.bytes
                return False
            elif found is not None:
                self._listed[found.key] = found.bytes
                title = self._title(item, found.title)
                self._end(PrepareResult.ALREADY_CACHED, words.text("library.already_cached", title=title))
        except (StreamerError, PlaylistError) as error:
            self._fail(item, words.message_text(error.full_message))
            return True
        return found is not None

    async def _may_be_better(self, item: Item, found: CachedEncode) -> bool:
        least = Grade.PREPARED
        better = await asyncio.to_thread(self._library.find, item, found.source_id, logo=self._logo, least=least)
        return better is None

    async def _find(self, item: Item) -> CachedEncode | Expansion | None:
        """The cached encode of `item`; None if it must be encoded. Files are checked, the web is not asked."""
        if item.kind is LocatorKind.FILE:
            found = await self._resolve(item)
            if isinstance(found, Expansion) or found.is_live:
                return found if isinstance(found, Expansion) else None
            return await asyncio.to_thread(self._library.find, item, found.source_id, logo=self._logo)
        remembered = await asyncio.to_thread(self._library.remembered, item, logo=self._logo)
        # An encode that must not play is resolved again: its source may be back.
        return remembered.encode if remembered is not None and self._library.playable(remembered) else None

    async def _encode(self, item: Item) -> None:
        """Download and encode `item`, unless the library is full."""
        try:
            await self._encode_one(item)
        finally:
            self._encoding.remove(item)

    async def _encode_one(self, item: Item) -> None:
        if not self._full and sum(self._listed.values()) >= FULL_PART * self._library.max_bytes:
            self._full = words.text("library.full")
        if self._full:
            self._leave_out(item)
            return
        # Encodes of this playlist are not pruned for it.
        await asyncio.to_thread(self._library.prune, wanted=self._listed)
        bar = f"{item.key} {item.volume}"
        self._terminal.begin(bar, self._title(item))
        try:
            ended = await self._fetched(item, bar)
            if ended is None:
                ended = await prepare_item(item, self._make_feed, progressed=partial(self._terminal.progress, bar))
        finally:
            self._terminal.end(bar)
        await self._learn(item, ended)

    def _leave_out(self, item: Item) -> None:
        """There is no room for it; what has an encode keeps that."""
        if (live := self._live.get(_name(item))) is not None:
            title = self._title(item, live.title)
            self._end(PrepareResult.ALREADY_CACHED, words.text("library.already_cached", title=title))
            return
        self._left_out += 1
        self._terminal.step(self._whole)

    async def _fetched(self, item: Item, bar: str) -> PreparedItem | None:
        """Download `item`; how it ended, where there is nothing to encode."""

        def progressed(report: DownloadReport) -> None:
            self._terminal.downloading(bar, self._text.download(report))

        try:
            found = await self._downloads.fetch(item, progressed=progressed)
        except StreamerError as error:
            return PreparedItem(result=PrepareResult.FAILED, error=error)
        return None if found is None else PreparedItem(result=PrepareResult.LIST, title=found.title, expansion=found)

    async def _learn(self, item: Item, ended: PreparedItem) -> None:
        title = self._title(item, ended.title)
        if ended.result is PrepareResult.LIST and ended.expansion is not None:
            try:
                self._expand(item, ended.expansion)
            except PlaylistError as error:
                self._fail(item, words.message_text(error.full_message))
        elif ended.result is PrepareResult.BUSY:
            self._learn_elsewhere(item, title)
        elif ended.result is PrepareResult.FAILED:
            self._fail(item, self._reason(ended), found=ended.title)
        elif ended.result is PrepareResult.LIVE:
            self._end(PrepareResult.LIVE, words.text("library.live", title=title))
        else:
            remembered = await asyncio.to_thread(self._library.remembered, item, logo=self._logo)
            if remembered is not None:
                encode = remembered.encode
                if (live := self._live.pop(_name(item), None)) is not None:
                    self._listed.pop(live.key, None)
                self._listed[encode.key] = encode.bytes
                title = f"{title} ({clock_text(encode.seconds)}, {words.size(encode.bytes)})"
            self._end(ended.result, words.text(f"library.{ended.result}", title=title))

    def _reason(self, ended: PreparedItem) -> str:
        problem = self._library.problem
        self._full = self._full or (words.message_text(problem) if problem is not None else "")
        error = None if problem is not None and isinstance(ended.error, LibraryError) else ended.error
        if error is not None:
            return words.message_text(error.full_message)
        return words.message_text(problem or Message.of("library.not_cached"))

    def _learn_elsewhere(self, item: Item, title: str) -> None:
        """Another process encodes it: tried again at the end, and then left to that process."""
        if _name(item) not in self._tried_again:
            self._tried_again.add(_name(item))
            self._again.append(item)
        else:
            self._end(PrepareResult.BUSY, words.text("library.busy", title=title))

    def _expand(self, item: Item, found: Expansion) -> None:
        """Raises PlaylistError where lists are nested too deep."""
        self._tree.expand(item, found.children)
        self._lists += 1
        if not found.children:
            raise PlaylistError.of("list.empty")
        title, count = self._title(item, found.title), len(found.children)
        self._terminal.say(self._redact(words.text("library.list", title=title, count=count)))

    def _end(self, made: PrepareResult, line: str) -> None:
        self._counts[made] += 1
        self._terminal.say(self._redact(line))
        self._terminal.step(self._whole)

    def _fail(self, item: Item, reason: str, *, found: str = "") -> None:
        line = f"{self._title(item, found)}: {reason}"
        self._failed.append(line)
        self._terminal.say(self._redact(words.text("library.failed", problem=line)))
        self._terminal.step(self._whole)

    def _title(self, item: Item, found: str = "") -> str:
        """The title of an item, or else its file name or URL."""
        name = Path(item.locator).name if item.kind is LocatorKind.FILE else item.locator
        return self._redact(printable(item.title) or printable(found) or printable(name))


def _name(item: Item) -> _Name:
    """The identity of an encode: two volumes are two encodes."""
    return item.key, item.volume
