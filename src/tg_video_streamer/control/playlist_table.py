"""Reads the playlist as rows of a table, with what library, spool, as-run log and forecast know of each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tg_video_streamer.asrun.entry import wall
from tg_video_streamer.asrun.reader import AsRunFilter, read_entries
from tg_video_streamer.automation.forecast import seconds_left
from tg_video_streamer.automation.program import Program
from tg_video_streamer.clock import Clock
from tg_video_streamer.control.outlook import ComingItem, StoredLibrary, stored
from tg_video_streamer.control.playlist_file import PlaylistFile, PlaylistText
from tg_video_streamer.control.playlist_rows import PlaylistRow, PlaylistRows
from tg_video_streamer.control.reporter import failure_message, item_name
from tg_video_streamer.control.status import WarningAction
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import ControlError, DiskHangs, PlaylistError
from tg_video_streamer.library.library import Library
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist.edit import EntryLine, entry_lines
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.line import parse_line
from tg_video_streamer.playlist.load import missing_files
from tg_video_streamer.playlist.parser import Entry, Playlist
from tg_video_streamer.spool.spool import Spool

MAX_ROWS = 200
_DISK_SECONDS = 4.0
_AHEAD_ITEMS = 300
"""Coming items whose time is estimated."""
_LOG_ENTRIES = 5000
"""The newest of the as-run log, among which the last airing is looked for."""
_LOG_SECONDS = 30.0
"""So old may what was read of it be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """What the playlist's disk says."""

    text: PlaylistText
    entries: tuple[EntryLine, ...]
    found: tuple[EntryLine, ...]
    items: Mapping[int, Item]
    """Those of the rows that are asked for, by line."""
    problems: Mapping[int, Message]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stored:
    """What library and as-run log say, by item key."""

    durations: Mapping[str, float] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    cached: frozenset[str] = frozenset()
    last: Mapping[str, float] = field(default_factory=dict)


class PlaylistTable:
    """Belongs to the event loop; disks, library and log are read in threads."""

    def __init__(
        self,
        playlist: PlaylistFile,
        *,
        program: Program,
        clock: Clock,
        library: Library | None,
        spool: Spool | None,
        as_run: Path,
    ) -> None:
        self._playlist = playlist
        self._program = program
        self._clock = clock
        self._library = library
        self._spool = spool
        self._as_run = as_run
        self._last: Mapping[str, float] = {}
        self._last_read = float("-inf")

    async def rows(self, words: str, *, first: int, count: int) -> PlaylistRows:
        """See Commands.playlist_rows. Raises ControlError where the file cannot be read."""
        wanted = slice(max(0, first), max(0, first) + max(0, min(count, MAX_ROWS)))
        try:
            read = await DISKS.run_within(_DISK_SECONDS, self._playlist.folder, self._read, words, wanted)
        except DiskHangs as error:
            raise ControlError.because_of(error) from error
        coming = self._program.rotation.upcoming(_AHEAD_ITEMS)
        stored = await asyncio.to_thread(self._stored, [*read.items.values(), *coming])
        places = self._places(coming, stored.durations)
        return PlaylistRows(
            rows=tuple(self._row(one, read, stored, places) for one in read.found[wanted]),
            found=len(read.found),
            entries=len(read.entries),
            next_line=_next_line(read, wanted),
            version=read.text.version,
            can_undo=self._playlist.can_undo(read.text.version),
        )

    async def coming(self) -> tuple[ComingItem, ...]:
        """See Commands.coming."""
        items = self._program.rotation.upcoming(_AHEAD_ITEMS)
        known = await asyncio.to_thread(self._stored, items)
        left = seconds_left(self._program.director.on_air, self._program.playout.item_seconds)
        at = None if left is None else self._clock.wall() + left
        found = []
        for item in items:
            length = known.durations.get(item.key)
            title = item.title or known.titles.get(item.key) or item_name(item)
            found.append(ComingItem(key=item.key, title=title, starts_wall=at, duration_seconds=length))
            at = None if at is None or length is None else at + length
        return tuple(found)

    async def library(self) -> StoredLibrary:
        """See Commands.library."""
        return await asyncio.to_thread(stored, self._library)

    def _read(self, words: str, wanted: slice) -> _Read:
        text = self._playlist.read()
        entries = entry_lines(text.text)
        folded = words.casefold().split()
        found = tuple(one for one in entries if all(word in f"{one.title} {one.text}".casefold() for word in folded))
        items: dict[int, Item] = {}
        problems: dict[int, Message] = {}
        allowed = self._playlist.allowed
        for one in found[wanted]:
            try:
                items[one.line] = parse_line(
                    one.text, base=str(self._playlist.folder), allowed=allowed, title=one.title
                )
            except PlaylistError as error:
                problems[one.line] = error.full_message
        listed = Playlist(entries=tuple(Entry(line=line, item=item) for line, item in items.items()))
        problems |= {problem.line: problem.what for problem in missing_files(listed, allowed)}
        return _Read(text=text, entries=entries, found=found, items=items, problems=problems)

    def _stored(self, items: Sequence[Item]) -> _Stored:
        durations, titles, cached = {}, {}, set()
        for item in dict.fromkeys(items) if self._library is not None else ():
            source, is_cached = self._library.known(item) if self._library is not None else (None, False)
            if source is not None:
                titles[item.key] = source.title
                if source.duration_seconds is not None:
                    durations[item.key] = _length(item, source.duration_seconds)
            if is_cached:
                cached.add(item.key)
        return _Stored(durations=durations, titles=titles, cached=frozenset(cached), last=self._last_aired())

    def _last_aired(self) -> Mapping[str, float]:
        now = self._clock.monotonic()
        if now - self._last_read >= _LOG_SECONDS:
            found: dict[str, float] = {}
            try:
                for entry in islice(read_entries(self._as_run, AsRunFilter(level="item")), _LOG_ENTRIES):
                    found.setdefault(entry.key, wall(entry.start))
            except OSError:
                # The page of the log says so; here a column stays empty.
                found = {}
            self._last, self._last_read = found, now
        return self._last

    def _places(self, coming: Sequence[Item], durations: Mapping[str, float]) -> Mapping[str, tuple[int, float | None]]:
        """Of each coming item: how many play before it, and when it starts, where that is known."""
        feed = self._program.director.on_air
        left = seconds_left(feed, self._program.playout.item_seconds)
        at = None if left is None else self._clock.wall() + left
        places: dict[str, tuple[int, float | None]] = {}
        for place, item in enumerate(coming):
            places.setdefault(item.key, (place, at))
            length = durations.get(item.key)
            at = None if at is None or length is None else at + length
        return places

    def _row(
        self,
        entry: EntryLine,
        read: _Read,
        stored: _Stored,
        places: Mapping[str, tuple[int, float | None]],
    ) -> PlaylistRow:
        item = read.items.get(entry.line)
        problem = read.problems.get(entry.line)
        if item is None:
            edit = (WarningAction.EDIT_PLAYLIST,)
            return PlaylistRow(line=entry.line, text=entry.text, title=entry.text, problem=problem, actions=edit)
        resting = self._program.quarantine.known(item.key)
        actions: tuple[WarningAction, ...] = (WarningAction.REMOVE,) if problem is not None else ()
        if resting is not None:
            problem = problem or failure_message(resting.reason, item)
            actions = (WarningAction.RETRY, WarningAction.REMOVE)
        spooled = self._spool.known(item) if self._spool is not None else None
        place, at = places.get(item.key, (None, None))
        on_air = self._program.director.item
        return PlaylistRow(
            line=entry.line,
            text=entry.text,
            title=item.title or stored.titles.get(item.key) or item_name(item),
            key=item.key,
            kind=str(item.kind),
            duration_seconds=stored.durations.get(item.key),
            cached=item.key in stored.cached,
            spool=str(spooled.state) if spooled is not None else "",
            last_wall=stored.last.get(item.key),
            next_wall=at,
            next_place=place,
            on_air=on_air is not None and on_air.key == item.key,
            audio=item.audio,
            subtitles=item.subtitles,
            problem=problem,
            actions=actions,
        )


def _next_line(read: _Read, wanted: slice) -> int:
    shown = read.found[wanted]
    after = (one.line for one in read.entries if shown and one.line > shown[-1].line)
    return next(after, 0)


def _length(item: Item, whole: float) -> float:
    """The part of a source that an item plays."""
    end = whole if item.end_seconds is None else min(whole, item.end_seconds)
    length = max(0.0, end - item.start_seconds)
    return length if item.for_seconds is None else min(length, item.for_seconds)
