"""A program with its schedule in virtual time: the real parts with scripted sources of any length.

program = Scheduled(folder, slate, at=datetime(2026, 3, 29, 0, 50, tzinfo=UTC), lengths={"film": 600})
program.run(1200)
assert program.played() == [("film", 0.0), ("news", 600.0)]      # what viewers saw, and from which second on
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from stands.feeding import SMALL
from stands.house import FRAME_TICKS, GOP_FRAMES, RATE
from stands.virtual_time import VirtualLoop, run_for
from tg_video_streamer.app.context import BuildContext
from tg_video_streamer.app.feeds import Feeds
from tg_video_streamer.app.playout import make_program
from tg_video_streamer.app.startup import Prepared
from tg_video_streamer.automation.filler import FillerPlayer, FolderClips
from tg_video_streamer.automation.program import Program
from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.events import Event, EventBus
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.locales.translator import Translator
from tg_video_streamer.media import PACKET_TICKS, Kind, Packet
from tg_video_streamer.playlist.folders import FolderAllowlist
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.load import load
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.playout.slate import Slate
from tg_video_streamer.resolve.media import Expansion, Media
from tg_video_streamer.settings.reload import SettingsReload
from tg_video_streamer.settings.settings import load_settings

SLICE_SECONDS = 0.16
LIVE = float("inf")
"""The length of a source that never ends."""


class AtOnce(ThreadPoolExecutor):
    """An executor for a loop in virtual time: runs each job at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See Executor."""
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - passed on to the caller
            done.set_exception(error)
        return done


class ScriptedFeed(Feed):
    """Yields pictures with the name of their item and their number; `length` 0 is a failing source."""

    length = 60.0
    delay_seconds = 0.0
    """How long its source takes to answer."""

    @property
    def title(self) -> DisplayText:
        """See Feed."""
        return DisplayText(Path(self.item.locator).stem)

    @property
    def is_live(self) -> bool:
        """See Feed."""
        return self.length == LIVE

    @property
    def duration_seconds(self) -> float | None:
        """See Feed."""
        return None if self.is_live else self.length

    async def run(self) -> None:
        """See Feed."""
        self._move(FeedState.PROBING)
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if not self.length:
            self.buffer.finish()
            self._move(FeedState.FAILED, "no such source")
            return
        self._move(FeedState.PRIMING)
        # A put that waits for space would never return: nothing else runs meanwhile.
        self.buffer.limit_seconds = max(self.buffer.limit_seconds, 20.0 if self.is_live else 0.0)
        frame = round(self._progress.seconds * 25)
        while frame < self.length * 25:
            while self.buffer.seconds + 2 >= self.buffer.limit_seconds:
                await asyncio.sleep(0.25)
                self._progressed()
            until = frame + GOP_FRAMES if self.is_live else min(frame + GOP_FRAMES, round(self.length * 25))
            for packet in packets(self.title, frame, until):
                self.buffer.put(packet)
            frame = until
            self._progressed()
            await asyncio.sleep(0.01)
        self.buffer.finish()
        self._move(FeedState.ENDED)


class _ScriptedFeeds:
    """Stands in for Feeds."""

    library = None
    caches = False
    spool = None
    branding = SimpleNamespace(untitled=None)

    def __init__(self, owner: Scheduled) -> None:
        self._owner = owner

    def feed(self, item: Item, *, start_seconds: float, changed: Callable[[], None]) -> Feed:
        """See Feeds."""
        owner = self._owner
        feed = ScriptedFeed(
            item,
            resolve=self.resolve,
            house=SMALL,
            headers=owner.slate.headers,
            ffmpeg=Path("ffmpeg"),
            buffer_seconds=15.0,
            clock=owner.loop,
            publish=lambda _: None,
            start_seconds=start_seconds,
            changed=changed,
        )
        feed.length = owner.lengths.get(feed.title, 60.0)
        feed.delay_seconds = owner.delays.get(feed.title, 0.0)
        return feed

    async def resolve(self, item: Item) -> Media | Expansion:
        """Never called."""
        raise AssertionError(item)

    def filler(self, playout: Playout) -> FillerPlayer | None:
        """See Feeds."""
        folder = self._owner.folder / "filler"
        return (
            FillerPlayer(FolderClips(folder).choose, playout=playout, make_feed=self.feed) if folder.is_dir() else None
        )


class Scheduled:
    """One run of the service, `at` a time; a second one over the same folder is a restart."""

    def __init__(
        self,
        folder: Path,
        slate: Slate,
        *,
        at: datetime,
        lengths: dict[str, float],
        environment: dict[str, str] | None = None,
        delays: dict[str, float] | None = None,
    ) -> None:
        """`lengths`: seconds by the name of a file without its ending; 60 for all others.

        `delays`: how long the source of a file takes to answer, by the same name.
        """
        self.delays = delays or {}
        self.folder = folder
        self.slate = slate
        self.lengths = lengths
        self.events: list[Event] = []
        self.loop = VirtualLoop()
        self.loop.set_default_executor(AtOnce())
        self.loop.wall_offset = at.timestamp() - self.loop.time()
        self.began = at
        settings = {"STATE_DIR": str(folder / "state"), "PLAYLIST": str(folder / "playlist.txt")}
        settings |= {"SCHEDULE": str(folder / "schedule.toml"), **(environment or {})}
        self._loaded = load_settings(None, settings)
        self._settings = self._loaded.settings
        self._pictures: list[tuple[str, int]] = []
        self.parts: Program

    def run(self, seconds: float, *, meanwhile: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Be on air for so long; `meanwhile` runs besides."""

        async def broadcast() -> None:
            self._build()
            parts = self.parts
            subscription = self._fanout.subscribe(limit_seconds=1e6)
            await parts.scheduler.open()
            parts.rotation.replace(self._items())
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(parts.director.run())
                tasks.create_task(parts.scheduler.run())
                tasks.create_task(parts.position_saver.run())
                if parts.filler is not None:
                    tasks.create_task(parts.filler.run())
                if meanwhile is not None:
                    tasks.create_task(meanwhile())
                await asyncio.sleep(0.5)
                began = self.loop.time()
                self.began_wall = self.loop.wall()
                for step in range(round(seconds / SLICE_SECONDS)):
                    parts.playout.play_until(self.loop.time())
                    self._pictures += [_picture(one.data) for one in subscription.take(0) if one.kind is Kind.VIDEO]
                    await asyncio.sleep(max(0.0, began + (step + 1) * SLICE_SECONDS - self.loop.time()))
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()

        run_for(self.loop, seconds + 60, broadcast())

    def played(self) -> list[tuple[str, float]]:
        """What viewers saw, `-` for the slate, each with the wall time of its first picture."""
        found: list[tuple[str, float]] = []
        slot = 0
        for name, pictures in groupby(name for name, _ in self._pictures):
            found.append((name, self.began_wall + slot / 25))
            slot += len(list(pictures))
        return found

    def pictures(self, name: str) -> list[int]:
        """The numbers of its pictures in the order seen by viewers."""
        return [number for found, number in self._pictures if found == name]

    def names(self) -> list[str]:
        """The same without times."""
        return [name for name, _ in self.played()]

    def first(self, name: str) -> float:
        """The wall time of its first picture."""
        return next(wall for found, wall in self.played() if found == name)

    def _build(self) -> None:
        self._fanout = Fanout(self.slate.headers, RATE)
        events = EventBus(self.loop)
        events.subscribe(self.events.append)
        prepared = Prepared(
            ffmpeg=Path("ffmpeg"),
            house=SMALL,
            slate=self.slate,
            playlist=self._settings.playlist,
            warnings=(),
            background=(),
        )
        context = BuildContext(
            loaded=self._loaded,
            reload=SettingsReload(self._loaded),
            prepared=prepared,
            clock=self.loop,
            events=events,
            fanout=self._fanout,
            translator=Translator(),
        )
        self.parts = make_program(context, cast("Feeds", _ScriptedFeeds(self)), FolderAllowlist())

    def _items(self) -> list[Item]:
        """Of the current list: in virtual time its file is not watched."""
        name = self.parts.rotation.list_name
        path = Path(name) if name else self._settings.playlist
        return list(load(path, self.parts.allowed()).items)


def packets(name: str, first: int, end: int) -> list[Packet]:
    """Pictures and their sound in stream order, the first one a keyframe."""
    made = []
    sound = -(-first * FRAME_TICKS // PACKET_TICKS)
    for frame in range(first, end):
        ticks = frame * FRAME_TICKS
        made.append(Packet(kind=Kind.VIDEO, ticks=ticks, keyframe=frame == first, data=f"{name}:{frame}".encode()))
        while sound * PACKET_TICKS < ticks + FRAME_TICKS:
            made.append(Packet(kind=Kind.AUDIO, ticks=sound * PACKET_TICKS, keyframe=True, data=b"s"))
            sound += 1
    return made


def _picture(data: bytes) -> tuple[str, int]:
    name, colon, number = data.partition(b":")
    return (name.decode(), int(number)) if colon and len(data) < 40 else ("-", 0)
