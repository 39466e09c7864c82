"""A small channel that obeys the commands: all that the control socket, its clients and the terminal view need of a service.

`python -m stands.small_channel FOLDER` serves in a process of its own, with the live view where stdout is a terminal.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from tg_video_streamer.asrun.history import History, LevelSpan
from tg_video_streamer.control.commands import CommandRequest
from tg_video_streamer.control.outlook import ComingItem, StoredEncode, StoredLibrary
from tg_video_streamer.control.playlist_file import PlaylistCheck, PlaylistText
from tg_video_streamer.control.playlist_rows import PlaylistRow, PlaylistRows
from tg_video_streamer.control.seek_target import seek_target
from tg_video_streamer.control.socket.claim import ClaimedFolder
from tg_video_streamer.control.socket.server import CLIENT_SECONDS, MAX_CLIENTS, serve
from tg_video_streamer.control.status import ItemStatus, OutputStatus, ServiceStatus, ServiceWarning
from tg_video_streamer.errors import ControlError
from tg_video_streamer.locales.message import Message
from tg_video_streamer.playlist import edit
from tg_video_streamer.playlist.edit import entry_lines
from tg_video_streamer.schedule.day import EntryKind, ScheduledEntry

TITLES = ("Big Buck Bunny 🐰", "سلام دنیا", "Sintel")
PREVIEW = "http://127.0.0.1:8080/"
log = structlog.get_logger(__name__)


class SmallChannel:
    """Implements control.commands.Commands over a list of titles."""

    def __init__(self) -> None:
        self.items = [ItemStatus(key=f"{n:016x}", title=title, duration_seconds=600) for n, title in enumerate(TITLES)]
        self.queue: list[ItemStatus] = []
        self.paused = False
        self.on_slate = False
        self.playlist = ""
        self.earlier: list[str] = []
        self.began = time.time()

    def status(self) -> ServiceStatus:
        """See Commands."""
        held = self.paused or self.on_slate
        return ServiceStatus(
            version="0.1.0",
            channel_state="on_slate" if held else "on_air",
            reason=Message.raw("the operator's slate" if held else "as planned"),
            since_wall=self.began,
            level="slate" if held else "item",
            healthy=True,
            problems=(),
            paused=self.paused,
            now=self.items[0],
            position_seconds=(time.time() - self.began) % 600,
            next_items=(*self.queue, *self.items[1:]),
            buffer_seconds=14.9,
            program_seconds=time.time() - self.began,
            gap_seconds=0.0,
            skew_seconds=0.004,
            streams_played=1,
            uptime_seconds=time.time() - self.began,
            outputs=(
                OutputStatus(
                    name="preview",
                    kind="preview",
                    state="on_air",
                    since_wall=self.began,
                    bytes_sent=12_300_000,
                    bits_per_second=2_500_000.0,
                    reconnects=0,
                    dropped_packets=0,
                ),
                OutputStatus(
                    name="rtmp-1",
                    kind="rtmp",
                    state="retrying",
                    since_wall=self.began,
                    bytes_sent=0,
                    bits_per_second=0.0,
                    reconnects=3,
                    dropped_packets=12,
                    error=Message.raw("connection refused"),
                ),
            ),
            warnings=(ServiceWarning(message=Message.raw("playlist line 7: no such file")),),
        )

    def skip(self) -> Message:
        """See Commands."""
        left = self.items[0]
        self.items = [*self.items[1:], left]
        return Message.raw(f"left {left.title}")

    def pause(self) -> Message:
        """See Commands."""
        self.paused = True
        return Message.raw("paused")

    def resume(self) -> Message:
        """See Commands."""
        if not self.paused:
            raise ControlError("nothing is paused", remedy="use skip to go on to the next item")
        self.paused = False
        return Message.raw("resumed")

    def slate(self, *, on: bool) -> Message:
        """See Commands."""
        self.on_slate = on
        return Message.raw(f"the slate is {'on' if on else 'off'}")

    def reload(self) -> Message:
        """Fails on purpose, as a defect of the service would."""
        raise ZeroDivisionError("a defect")

    def retry(self, key: str) -> Message:
        """See Commands."""
        return Message.raw(f"trying {key}")

    def queue_list(self) -> tuple[ItemStatus, ...]:
        """See Commands."""
        return tuple(self.queue)

    def queue_add(self, line: str) -> Message:
        """See Commands."""
        self.queue.append(ItemStatus(key=f"{len(self.queue) + 100:016x}", title=line))
        return Message.raw(f"queued {line}")

    def queue_insert(self, line: str) -> Message:
        """See Commands."""
        self.queue.insert(0, ItemStatus(key=f"{len(self.queue) + 100:016x}", title=line))
        return Message.raw(f"queued {line}")

    def queue_move(self, key: str, *, place: int) -> Message:
        """See Commands."""
        item = next((item for item in self.queue if item.key == key), None)
        if item is None:
            raise ControlError(f"{key} is not in the queue", remedy="see: tg-video-streamer queue list")
        self.queue.remove(item)
        self.queue.insert(place, item)
        return Message.raw(f"moved {key}")

    def queue_remove(self, key: str) -> Message:
        """See Commands."""
        kept = [item for item in self.queue if item.key != key]
        if len(kept) == len(self.queue):
            raise ControlError(f"{key} is not in the queue", remedy="see: tg-video-streamer queue list")
        self.queue = kept
        return Message.raw(f"removed {key}")

    def queue_clear(self) -> Message:
        """See Commands."""
        self.queue = []
        return Message.raw("the queue is empty")

    def history(self) -> History:
        """See Commands."""
        span = LevelSpan(starts_wall=self.began, ends_wall=time.time(), level="item")
        return History(spans=(span,), samples=(), gap_seconds_today=0.0)

    def jump(self, key: str) -> Message:
        """See Commands."""
        self.items.sort(key=lambda item: item.key != key)
        return Message.raw(f"jumping to {key}")

    def take(self) -> Message:
        """See Commands."""
        return Message.raw("taken")

    async def seek(self, to: str) -> Message:
        """See Commands."""
        target = seek_target(to, at_seconds=100.0, length_seconds=600.0)
        return Message.raw(f"continues at {target:g}")

    def search(self, words: str) -> tuple[ItemStatus, ...]:
        """See Commands."""
        return tuple(item for item in self.items if words.casefold() in item.title.casefold())

    def schedule(self, day: str) -> tuple[ScheduledEntry, ...]:
        """See Commands."""
        begins = f"{day or '2026-03-28'}T00:00:00+01:00"
        return (ScheduledEntry(kind=EntryKind.PART, title="Playlist", starts_wall=0.0, starts=begins),)

    async def coming(self) -> tuple[ComingItem, ...]:
        """See Commands."""
        starts = (time.time() + 600 * number for number in range(1, 99))
        return tuple(
            ComingItem(key=one.key, title=one.title, starts_wall=start, duration_seconds=one.duration_seconds)
            for one, start in zip((*self.queue, *self.items[1:]), starts, strict=False)
        )

    async def library(self) -> StoredLibrary:
        """See Commands."""
        one = StoredEncode(
            title="Sintel", bytes=1_500_000_000, seconds=3600, plays=7, played_wall=self.began, created_wall=self.began
        )
        return StoredLibrary(
            bytes=one.bytes, max_bytes=20_000_000_000, encodes=1, seconds=3600, hits=6, misses=2, largest=(one,)
        )

    async def playlist_read(self) -> PlaylistText:
        """See Commands."""
        return PlaylistText(text=self.playlist, version="1")

    async def playlist_check(self, text: str) -> PlaylistCheck:
        """See Commands."""
        return PlaylistCheck(items=len(text.splitlines()), problems=())

    async def playlist_save(self, text: str, *, version: str) -> Message:
        """See Commands."""
        if version != "1":
            raise ControlError("the playlist was changed by someone else", remedy="read it again")
        self.playlist = text
        return Message.raw("the playlist is saved")

    async def playlist_remove(self, key: str, *, version: str) -> Message:
        """See Commands."""
        return Message.raw(f"removed {key}{version}")

    async def forward(self, request: CommandRequest, by: str) -> Any:
        """See Commands."""
        raise ControlError(f"{by} gave {request.command.name} to no other host")

    async def playlist_rows(self, words: str, *, first: int, count: int) -> PlaylistRows:
        """See Commands."""
        found = [one for one in entry_lines(self.playlist) if words.casefold() in one.text.casefold()]
        rows = tuple(
            PlaylistRow(line=one.line, text=one.text, title=one.title or one.text)
            for one in found[first : first + count]
        )
        after = [one.line for one in entry_lines(self.playlist) if rows and one.line > rows[-1].line]
        return PlaylistRows(
            rows=rows,
            found=len(found),
            entries=len(entry_lines(self.playlist)),
            next_line=min(after, default=0),
            version="1",
            can_undo=bool(self.earlier),
        )

    async def playlist_move(self, lines: str, *, before: int, version: str) -> Message:
        """See Commands."""
        return self._edited(edit.move(self.playlist, edit.parse_numbers(lines), before=before), version)

    async def playlist_shift(self, lines: str, *, down: bool, version: str) -> Message:
        """See Commands."""
        return self._edited(edit.shift(self.playlist, edit.parse_numbers(lines), down=down), version)

    async def playlist_insert(self, text: str, *, before: int, version: str) -> Message:
        """See Commands."""
        return self._edited(edit.insert(self.playlist, text, before=before), version)

    async def playlist_remove_lines(self, lines: str, *, version: str) -> Message:
        """See Commands."""
        return self._edited(edit.remove(self.playlist, edit.parse_numbers(lines)), version)

    async def playlist_undo(self, version: str) -> Message:
        """See Commands."""
        if not self.earlier:
            raise ControlError.of("refused.nothing_to_undo")
        self.playlist = self.earlier.pop()
        return Message.raw(f"undone {version}")

    def _edited(self, edited: edit.Edited, version: str) -> Message:
        if version not in {"", "1"}:
            raise ControlError.of("refused.playlist_changed")
        self.earlier.append(self.playlist)
        self.playlist = edited.text
        return Message.of("answer.lines_moved", count=len(edited.lines), lines=edit.format_numbers(edited.lines))


@contextmanager
def served(
    folder: Path, *, max_clients: int = MAX_CLIENTS, client_seconds: float = CLIENT_SECONDS
) -> Iterator[SmallChannel]:
    """A channel whose control socket is served from a thread of this process."""
    channel = SmallChannel()
    loop = asyncio.new_event_loop()
    with ClaimedFolder(folder) as claim:
        task = loop.create_task(
            serve(claim.listener, channel, max_clients=max_clients, client_seconds=client_seconds), name="serve"
        )
        thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
        thread.start()
        try:
            yield channel
            assert not task.done(), f"the server ended by itself: {task!r}"
        finally:
            loop.call_soon_threadsafe(task.cancel)
            thread.join()
            loop.close()


async def _main(folder: Path) -> None:
    channel = SmallChannel()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    with ClaimedFolder(folder) as claim:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(serve(claim.listener, channel))]
            if sys.stdout.isatty():
                from tg_video_streamer.terminal.view import TerminalView  # noqa: PLC0415 - slow, and for terminals only

                tasks.append(group.create_task(TerminalView(channel.status, preview_address=PREVIEW).run()))
            log.info("channel is up")
            await ended.wait()
            for task in tasks:
                task.cancel()
    log.info("channel has ended")


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
