"""Executes the commands on the running parts."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from tg_video_streamer.asrun.history import History
from tg_video_streamer.automation.program import Program
from tg_video_streamer.control.commands import CommandRequest
from tg_video_streamer.control.history_sampler import HistorySampler
from tg_video_streamer.control.outlook import ComingItem, StoredLibrary
from tg_video_streamer.control.playlist_file import PlaylistCheck, PlaylistFile, PlaylistText
from tg_video_streamer.control.playlist_rows import PlaylistRows
from tg_video_streamer.control.playlist_table import PlaylistTable
from tg_video_streamer.control.reporter import Reporter, item_name
from tg_video_streamer.control.seek_target import seek_target
from tg_video_streamer.control.status import ItemStatus, ServiceStatus
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import ControlError, DiskHangs, PlaylistError, ScheduleError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist import edit
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.schedule.day import ScheduledEntry

_SEARCHED_ITEMS = 20_000
"""Coming items among which words are looked for, in the event loop."""
_SEARCHED_WORDS = 8
_FOUND_ITEMS = 50
_DISK_SECONDS = 4.0
"""How long a command waits for the playlist's disk; the command line waits for 5 s."""
_SEEK_SECONDS = 4.0
"""The same for the item to continue elsewhere."""
_KEY = re.compile(r"[0-9a-f]{16}")

Forward = Callable[[CommandRequest, str], Awaitable[Any]]
"""See `Commands.forward`."""
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class CommandHandler:
    """Implements `control.commands.Commands`; every method belongs to the event loop's thread, the disk to others."""

    def __init__(
        self,
        *,
        reporter: Reporter,
        history: HistorySampler,
        program: Program,
        playlist: PlaylistFile,
        table: PlaylistTable,
        reload_settings: Callable[[], Message | None] = lambda: None,
        forward: Forward | None = None,
        take: Callable[[], None] | None = None,
    ) -> None:
        """`reload_settings` answers with what has changed, None for nothing. `forward`: None for a channel of one host.

        `take`: of the live input, None without one.
        """
        self._take = take
        self._reporter = reporter
        self._history = history
        self._program = program
        self._playout = program.playout
        self._director = program.director
        self._rotation = program.rotation
        self._watcher = program.watcher
        self._scheduler = program.scheduler
        self._playlist = playlist
        self._table = table
        self._reload_settings = reload_settings
        self._forward = forward
        self._holds = program.holds
        self._saving = asyncio.Lock()
        """Between the look at the version and the write no other save may come."""

    def status(self) -> ServiceStatus:
        """See Commands."""
        return self._reporter.status(holds=self._holds.names)

    def history(self) -> History:
        """See Commands."""
        return self._history.history()

    def skip(self) -> Message:
        """See Commands."""
        source = self._playout.skip()
        if source is None:
            raise ControlError.of("refused.nothing_to_skip")
        return Message.of("answer.skipped", title=source.content.title or source.content.key)

    def pause(self) -> Message:
        """See Commands."""
        self._holds.change(paused=True)
        return Message.of("answer.paused")

    def resume(self) -> Message:
        """See Commands."""
        if not self._holds.paused:
            raise ControlError.of("refused.not_paused")
        self._holds.change(paused=False)
        return Message.of("answer.resumed_on_slate" if self._holds.slate else "answer.resumed")

    def slate(self, *, on: bool) -> Message:
        """See Commands."""
        self._holds.change(slate=on)
        return Message.of("answer.slate_on" if on or self._holds.paused else "answer.slate_off")

    def take(self) -> Message:
        """See Commands."""
        if self._take is None:
            raise ControlError.of("refused.nothing_to_take")
        self._take()
        return Message.of("answer.taken")

    def jump(self, key: str) -> Message:
        """See Commands."""
        item = self._in_rotation(lambda: self._rotation.jump(key))
        self._director.jump(item.key)
        return Message.of("answer.jumping", title=item_name(item))

    async def seek(self, to: str) -> Message:
        """See Commands."""
        feed, item = self._director.on_air, self._director.item
        if feed is None or item is None:
            raise ControlError.of("refused.nothing_to_seek")
        title = feed.title or item_name(item)
        if feed.is_live:
            raise ControlError.of("refused.seek_live", title=title)
        target = seek_target(to, at_seconds=self._director.position_seconds, length_seconds=feed.duration_seconds)
        seek = self._director.seek(target)
        if seek is None:
            raise ControlError.of("refused.nothing_to_seek")
        try:
            async with asyncio.timeout(_SEEK_SECONDS):
                await seek.settled.wait()
        except TimeoutError:
            return Message.of("answer.seeking", title=title, to=target)
        if seek.error is not None:
            raise ControlError.of("refused.seek_failed", title=title, to=target, why=seek.error.message)
        return Message.of("answer.sought", title=title, to=target)

    def reload(self) -> Message:
        """See Commands."""
        self._watcher.reload()
        self._scheduler.reload()
        if (settings := self._reload_settings()) is None:
            return Message.of("answer.reloaded")
        return Message.of("answer.reloaded_settings", settings=settings)

    def retry(self, key: str) -> Message:
        """See Commands."""
        item = next((item for item in self._rotation.upcoming() if item.key == key), None)
        if item is None or not self._program.quarantine.release(key):
            raise ControlError.of("refused.not_resting", key=key)
        self._director.update_coming()
        return Message.of("answer.retrying", title=item_name(item))

    def queue_list(self) -> tuple[ItemStatus, ...]:
        """See Commands."""
        return tuple(self._reporter.describe(item) for item in self._rotation.queue_list())

    def queue_add(self, line: str) -> Message:
        """See Commands."""
        return self._queue(line, place=None)

    def queue_insert(self, line: str) -> Message:
        """See Commands."""
        return self._queue(line, place=0)

    def queue_move(self, key: str, *, place: int) -> Message:
        """See Commands."""
        item = self._in_rotation(lambda: self._rotation.queue_move(key, place))
        return Message.of("answer.moved", title=item_name(item))

    def queue_remove(self, key: str) -> Message:
        """See Commands."""
        item = self._in_rotation(lambda: self._rotation.queue_remove(key))
        return Message.of("answer.removed", title=item_name(item))

    def queue_clear(self) -> Message:
        """See Commands."""
        count = self._rotation.queue_clear()
        self._director.update_coming()
        return Message.of("answer.queue_cleared", count=count)

    def search(self, words: str) -> tuple[ItemStatus, ...]:
        """See Commands."""
        wanted = sorted(set(words.casefold().split()))[:_SEARCHED_WORDS]
        if not wanted:
            return ()
        ahead = self._rotation.upcoming(_SEARCHED_ITEMS)
        found = (item for item in ahead if all(word in _searched(item) for word in wanted))
        return tuple(self._reporter.describe(item) for item in islice(found, _FOUND_ITEMS))

    def schedule(self, day: str) -> tuple[ScheduledEntry, ...]:
        """See Commands."""
        try:
            return self._scheduler.day(day)
        except ScheduleError as error:
            raise ControlError(error.what) from error

    async def coming(self) -> tuple[ComingItem, ...]:
        """See Commands."""
        return await self._table.coming()

    async def library(self) -> StoredLibrary:
        """See Commands."""
        return await self._table.library()

    async def playlist_read(self) -> PlaylistText:
        """See Commands."""
        return await self._on_disk(self._playlist.read)

    async def playlist_check(self, text: str) -> PlaylistCheck:
        """See Commands."""
        return await self._on_disk(self._playlist.check, text)

    async def playlist_save(self, text: str, *, version: str) -> Message:
        """See Commands."""
        async with self._changing() as wanted:
            await self._on_disk(self._playlist.save, text, version=version, wanted=wanted)
        self._watcher.reload()
        left_out = len((await self._on_disk(self._playlist.check, text)).problems)
        if left_out:
            return Message.of("answer.playlist_saved_partly", count=left_out)
        return Message.of("answer.playlist_saved")

    async def playlist_remove(self, key: str, *, version: str) -> Message:
        """See Commands."""
        async with self._changing() as wanted:
            item = await self._on_disk(self._playlist.remove, key, version=version, wanted=wanted)
        self._watcher.reload()
        return Message.of("answer.line_removed", title=item_name(item))

    async def forward(self, request: CommandRequest, by: str) -> Any:
        """See Commands."""
        if self._forward is None:
            raise ControlError.of("refused.standby", host="?")
        return await self._forward(request, by)

    async def playlist_rows(self, words: str, *, first: int, count: int) -> PlaylistRows:
        """See Commands."""
        return await self._table.rows(words, first=first, count=count)

    async def playlist_move(self, lines: str, *, before: int, version: str) -> Message:
        """See Commands."""
        edited = await self._edit(lambda text: edit.move(text, edit.parse_numbers(lines), before=before), version)
        return _moved_to(edited)

    async def playlist_shift(self, lines: str, *, down: bool, version: str) -> Message:
        """See Commands."""
        edited = await self._edit(lambda text: edit.shift(text, edit.parse_numbers(lines), down=down), version)
        return _moved_to(edited)

    async def playlist_insert(self, text: str, *, before: int, version: str) -> Message:
        """See Commands."""
        lines = [line for line in text.splitlines() if line.strip()]
        for line in lines:
            if not line.lstrip().startswith("#"):
                self._parsed(line)
        edited = await self._edit(lambda old: edit.insert(old, "\n".join(lines), before=before), version)
        if not edited.lines:
            raise ControlError.of("refused.nothing_to_insert")
        return Message.of("answer.lines_inserted", count=len(edited.lines), lines=edit.format_numbers(edited.lines))

    async def playlist_remove_lines(self, lines: str, *, version: str) -> Message:
        """See Commands."""
        chosen: list[int] = []

        def change(text: str) -> edit.Edited:
            chosen[:] = edit.parse_numbers(lines)
            return edit.remove(text, chosen)

        await self._edit(change, version)
        return Message.of("answer.lines_removed", count=len(chosen))

    async def playlist_undo(self, version: str) -> Message:
        """See Commands."""
        async with self._changing() as wanted:
            await self._on_disk(self._playlist.undo, version=version, wanted=wanted)
        self._watcher.reload()
        return Message.of("answer.playlist_undone")

    async def _edit(self, change: Callable[[str], edit.Edited], version: str) -> edit.Edited:
        async with self._changing() as wanted:
            edited = await self._on_disk(self._playlist.edit, change, version=version, wanted=wanted)
        self._watcher.reload()
        return edited

    @asynccontextmanager
    async def _changing(self) -> AsyncGenerator[Callable[[], bool], None]:
        """One change of the playlist's file at a time; it is wanted until the block ends, however long the disk hangs."""
        ended = threading.Event()
        try:
            async with self._saving:
                yield lambda: not ended.is_set()
        finally:
            ended.set()

    async def _on_disk(
        self, work: Callable[Parameters, Result], /, *arguments: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        """`work` on the playlist's file. Raises ControlError where its disk hangs."""
        try:
            return await DISKS.run_within(_DISK_SECONDS, self._playlist.folder, work, *arguments, **options)
        except DiskHangs as error:
            raise ControlError.because_of(error) from error

    def _queue(self, line: str, *, place: int | None) -> Message:
        item = self._in_rotation(lambda: self._queued(line, place))
        return Message.of("answer.queued", title=item_name(item))

    def _queued(self, line: str, place: int | None) -> Item:
        item = self._known(line.strip()) or self._parse_line(line)
        self._rotation.queue_add(item, place=place)
        return item

    def _parse_line(self, line: str) -> Item:
        return parse_line(line, base=str(self._playlist.folder), allowed=self._program.allowed())

    def _parsed(self, line: str) -> Item:
        try:
            return self._parse_line(line)
        except PlaylistError as error:
            raise ControlError.because_of(error) from error

    def _known(self, key: str) -> Item | None:
        """The item of a key that a search has shown; None where this is not a key."""
        if not _KEY.fullmatch(key):
            return None
        return next((item for item in self._rotation.upcoming() if item.key == key), None)

    def _in_rotation(self, change: Callable[[], Item]) -> Item:
        """Make a change of what comes next, and have that primed."""
        try:
            item = change()
        except PlaylistError as error:
            raise ControlError.because_of(error) from error
        self._director.update_coming()
        return item


def _moved_to(edited: edit.Edited) -> Message:
    return Message.of("answer.lines_moved", count=len(edited.lines), lines=edit.format_numbers(edited.lines))


def _searched(item: Item) -> str:
    """The text that a search matches: never the URL, which could be guessed letter by letter."""
    name = Path(item.locator).name if item.kind is LocatorKind.FILE else ""
    return f"{item_name(item)} {name}".casefold()
