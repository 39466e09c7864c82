"""Keeps the rotation in sync with the playlist file, the folders in it, and lists on the web."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS, START_SECONDS
from tg_video_streamer.errors import PlaylistError, ResolveError, SourceGone, StreamerError, ToolMissing
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.list_memory import ListMemory
from tg_video_streamer.playlist.parser import Entry, Playlist, Problem
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import FolderWatcher, PlaylistWatcher
from tg_video_streamer.resolve.media import Expansion, Resolve

REFRESH_SECONDS = 1800.0
CHAT_REFRESH_SECONDS = 40.0
"""The same for a chat, where only what is new is asked for: a new post is known within a minute."""
UNREACHABLE_SECONDS = 300.0
"""When a list that does not answer is tried again."""

log = structlog.get_logger(__name__)

_REFRESH_CHECK_SECONDS = 60.0
_CHAT_CHECK_SECONDS = 10.0
_ALBUM_SECONDS = 1.0
"""After a post in a chat, so that all parts of an album are there."""
_SAVE_CHECK_SECONDS = 2.0
_PROBLEMS_LOGGED = 20


class PlaylistSync:
    """All methods belong to the event loop's thread."""

    def __init__(
        self,
        *,
        watcher: PlaylistWatcher,
        rotation: Rotation,
        quarantine: Quarantine,
        resolve: Resolve,
        clock: Clock,
        memory: ListMemory | None = None,
    ) -> None:
        """With a `memory`, what lists on the web hold survives a restart."""
        self._watcher = watcher
        self._rotation = rotation
        self._quarantine = quarantine
        self._resolve = resolve
        self._schedule = RefreshSchedule(clock)
        self._folders = FolderWatcher()
        self._lists: dict[str, Item] = {}
        self._on_change: list[Callable[[], None]] = []
        self._on_expansion: list[Callable[[Item, Expansion], None]] = []
        self._outdated = asyncio.Event()
        self._memory = memory
        self._recalled: set[str] = set()
        """Lists that have not answered since the start of the service."""
        self.problems: tuple[Problem, ...] = ()
        """Lines of the playlist that cannot be played, as of the last read."""
        self.entries: dict[str, Entry] = {}
        """The playlist's own items with their lines, by key."""
        self.loaded = asyncio.Event()
        """Set once the playlist was read, empty or not."""

    async def run(self) -> None:
        """Follow every change until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_file())
            tasks.create_task(self._follow_folders())
            tasks.create_task(self._refresh())
            if self._memory is not None:
                tasks.create_task(self._save_memory(self._memory))

    def on_change(self, subscriber: Callable[[], None]) -> None:
        """Call `subscriber` after each later change of the rotation."""
        self._on_change.append(subscriber)

    def on_expansion(self, subscriber: Callable[[Item, Expansion], None]) -> None:
        """Call `subscriber` with each item that turns out to be a list."""
        self._on_expansion.append(subscriber)

    def switch_to(self, playlist: Path) -> None:
        """Follow the file of another list, which the rotation has now."""
        self._lists.clear()
        self._follow_known_folders()
        self._watcher.switch_to(playlist)
        self._changed()

    def expand(self, item: Item, expansion: Expansion) -> None:
        """See Lists."""
        self._expand(item, expansion)
        self._recalled.discard(item.key)
        if self._memory is not None and item.kind is not LocatorKind.FILE:
            self._memory.learn(item.key, expansion.children)

    def item(self, key: str) -> Item | None:
        """The item with `key`, of the playlist or of a list in it."""
        if (entry := self.entries.get(key)) is not None:
            return entry.item
        children = (child for known in self._rotation.lists().values() for child in known)
        return next((child for child in children if child.key == key), None)

    def recall(self, item: Item, error: StreamerError | None) -> bool:
        """See Lists; only for a list that is out of reach, not one that is gone."""
        outage = isinstance(error, ResolveError) and not isinstance(error, SourceGone | ToolMissing)
        known = self._memory.recall(item.key) if self._memory is not None and outage else ()
        if not known:
            return False
        try:
            self._expand(item, Expansion(children=known, title=item.title))
        except PlaylistError as refused:
            log.warning("list left out", key=item.key, error=str(refused))
            return False
        self._recalled.add(item.key)
        self._schedule.recalled(item.key)
        log.warning("a list does not answer, its last known items play", key=item.key, items=len(known))
        self._changed()
        return True

    def _expand(self, item: Item, expansion: Expansion) -> None:
        self._tried(item)
        self._rotation.expand(item, expansion.children)
        self._lists[item.key] = item
        known = self._rotation.lists()
        self._lists = {key: one for key, one in self._lists.items() if key in known}
        self._follow_known_folders()
        if not expansion.children:
            log.warning("list is empty", key=item.key, title=expansion.title or item.title)
        for subscriber in self._on_expansion:
            subscriber(item, expansion)

    def _changed(self) -> None:
        for subscriber in self._on_change:
            subscriber()

    def outdated(self, key: str) -> None:
        """The list with `key` has other items now: it is read again soon."""
        if key in self._lists:
            self._schedule.outdated(key)
            self._outdated.set()

    def try_again(self) -> None:
        """Try failed items again within a minute: they may work now, as with another yt-dlp."""
        self._quarantine.relax()
        self._changed()

    async def _follow_file(self) -> None:
        async for playlist in self._watcher.states():
            self._replace(playlist)

    def _replace(self, playlist: Playlist) -> None:
        self._rotation.replace(playlist.items)
        self._quarantine.keep_only(
            [item.key for item in playlist.items]
            + [child.key for children in self._rotation.lists().values() for child in children]
        )
        for problem in [one for one in playlist.problems if one not in self.problems][:_PROBLEMS_LOGGED]:
            log.warning("playlist line left out", problem=str(problem))
        self.problems = playlist.problems
        self.entries = {entry.item.key: entry for entry in reversed(playlist.entries)}
        self.loaded.set()
        self._changed()

    async def _follow_folders(self) -> None:
        async for key in self._folders.changes():
            if (item := self._lists.get(key)) is not None:
                await self._read_again(item)

    async def _refresh(self) -> None:
        while True:
            chats = any(item.kind is LocatorKind.TELEGRAM for item in self._lists.values())
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHAT_CHECK_SECONDS if chats else _REFRESH_CHECK_SECONDS):
                    await self._outdated.wait()
                    await asyncio.sleep(_ALBUM_SECONDS)
            self._outdated.clear()
            key = self._schedule.next_stale(self._lists)
            if key is not None:
                self._tried(self._lists[key])
                await self._read_again(self._lists[key])

    def _tried(self, item: Item) -> None:
        self._schedule.tried(item.key, CHAT_REFRESH_SECONDS if item.kind is LocatorKind.TELEGRAM else None)

    async def _save_memory(self, memory: ListMemory) -> None:
        while True:
            await asyncio.sleep(_SAVE_CHECK_SECONDS)
            if (pending := memory.pending()) is None:
                continue
            try:
                await DISKS.run_within(START_SECONDS, memory.path, memory.save, pending)
            except OSError as error:
                memory.unsaved()
                log.debug("the items of lists could not be saved", why=error.strerror)

    async def _read_again(self, item: Item) -> None:
        """Expand a known list again; where that fails, its known items stay."""
        try:
            found = await self._resolve(item)
            if not isinstance(found, Expansion):
                return
            if self._rotation.lists().get(item.key) == found.children and item.key not in self._recalled:
                return
            self.expand(item, found)
            self._changed()
        except (StreamerError, PlaylistError) as error:
            log.warning("list could not be read again, the known items stay", key=item.key, error=str(error))
            if item.key in self._recalled or item.kind is LocatorKind.TELEGRAM:
                self._schedule.recalled(item.key)

    def _follow_known_folders(self) -> None:
        self._folders.follow(
            {key: Path(item.locator) for key, item in self._lists.items() if item.kind is LocatorKind.FILE}
        )


class RefreshSchedule:
    """Remembers when each list is to be read again, and returns the most outdated one."""

    def __init__(self, clock: Clock, *, every_seconds: float = REFRESH_SECONDS) -> None:
        """`every_seconds`: the longest age of a list, where `tried` says nothing else."""
        self._clock = clock
        self._every = every_seconds
        self._due: dict[str, float] = {}

    def tried(self, key: str, every_seconds: float | None = None) -> None:
        """The list was read, or reading it failed: its next turn is a whole period away."""
        self._due[key] = self._clock.monotonic() + (every_seconds or self._every)

    def recalled(self, key: str) -> None:
        """The list does not answer, and its last known items play."""
        self._due[key] = self._clock.monotonic() + UNREACHABLE_SECONDS

    def outdated(self, key: str) -> None:
        """The list is to be read again at once."""
        self._due[key] = self._clock.monotonic()

    def next_stale(self, keys: Iterable[str]) -> str | None:
        """The most outdated list of `keys` (those that the rotation knows now); None where none is outdated."""
        known = list(keys)
        self._due = {key: self._due[key] for key in known if key in self._due}
        now = self._clock.monotonic()
        oldest = min(known, key=lambda key: self._due.get(key, now), default=None)
        return oldest if oldest is not None and self._due.get(oldest, now) <= now else None
