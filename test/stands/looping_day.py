"""A looping channel in virtual time: `python -m stands.looping_day FOLDER HOURS` plays so many hours.

Everything from the library to the outputs is the service's own: library, feeds with their threads, director, playout,
fan-out, as-run log. Each half hour a line of JSON has the resources of the process; the last line has the result.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import structlog

from stands import cached
from stands.growth import Held
from stands.house import RATE
from stands.numbered import any_ffmpeg
from stands.virtual_time import SetClock
from tg_video_streamer.app.run import share_one_arena
from tg_video_streamer.asrun.log import AsRunLog
from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.automation.playout_bridge import PlayoutBridge
from tg_video_streamer.events import Event, EventBus, SegmentStarted, SourceFailed, SourceLevel
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import PACKET_TICKS, Kind, Stamped
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import PlaylistWatcher
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.playout.playout import SLICE_SECONDS, Playout
from tg_video_streamer.playout.slate import Slate, prepare_slate
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput

TESTS = Path(__file__).resolve().parent.parent
"""The folder to start it in."""
FRAMES = (1500, 1487, 777, 2011)
"""Of the items: about a minute, each ending at another point between two audio packets."""
_FRAME_BYTES = 3000
_SAMPLE_SECONDS = 1800.0
_HELD_SECONDS = 1.0
"""In real time the reader is always ahead of the playout: here the playout waits for it."""


class Viewer:
    """Takes every slice, as an output does, and counts missing slots."""

    def __init__(self) -> None:
        self.packets = dict.fromkeys(Kind, 0)
        self.faults = 0

    def take(self, packets: list[Stamped]) -> None:
        """One slice."""
        for packet in packets:
            slot = packet.ticks // (RATE.frame_ticks if packet.kind is Kind.VIDEO else PACKET_TICKS)
            self.faults += slot != self.packets[packet.kind]
            self.packets[packet.kind] = slot + 1


@dataclass(kw_only=True)
class Day:
    """One channel."""

    library: Library
    slate: Slate
    clock: SetClock
    folder: Path

    def __post_init__(self) -> None:
        self.asked = 0
        self.plays = self.other_levels = 0
        self.failures = 0
        self.viewer = Viewer()

    async def resolve(self, item: Item) -> Media | Expansion:
        """The site, which answers."""
        self.asked += 1
        inputs = (MediaInput(location=item.locator, is_file=False),)
        return Media(inputs=inputs, title=item.title, source_id=item.locator)

    def feed(self, item: Item, *, start_seconds: float, changed: Callable[[], None]) -> Feed:
        """A feed as the service makes it."""
        return Feed(
            item,
            resolve=self.resolve,
            house=cached.HOUSE,
            headers=cached.HEADERS,
            ffmpeg=Path("no-ffmpeg"),
            buffer_seconds=15.0,
            clock=self.clock,
            publish=self.on_event,
            library=self.library,
            start_seconds=start_seconds,
            changed=changed,
        )

    def on_event(self, event: Event) -> None:
        """Count."""
        if isinstance(event, SegmentStarted):
            self.plays += event.content.new_play
            self.other_levels += event.content.level is not SourceLevel.ITEM
        self.failures += isinstance(event, SourceFailed)

    async def play(self, items: list[Item], hours: float) -> dict[str, float]:
        """Play so many hours; the result."""
        loop = asyncio.get_running_loop()
        bus = EventBus(loop)
        as_run = AsRunLog(self.folder / "as-run.jsonl")
        for subscriber in (self.on_event, as_run.on_event):
            bus.subscribe(subscriber)
        rotation = Rotation()
        quarantine = Quarantine(self.clock)
        rotation.replace(items)
        fanout = Fanout(cached.HEADERS, RATE)
        bridge = PlayoutBridge(loop)
        playout = Playout(
            slate=self.slate,
            fanout=fanout,
            clock=self.clock,
            events=bus,
            listener=bridge.publish,
        )
        director = Director(
            rotation=rotation,
            quarantine=quarantine,
            playout=playout,
            make_feed=self.feed,
            lists=PlaylistSync(
                watcher=PlaylistWatcher(self.folder / "playlist.txt"),
                rotation=rotation,
                quarantine=quarantine,
                resolve=self.resolve,
                clock=self.clock,
            ),
            clock=self.clock,
        )
        bridge.subscribe(SourceLevel.ITEM, director.on_playout_event)
        as_run.start()
        async with asyncio.TaskGroup() as tasks:
            directing = tasks.create_task(director.run())
            await self._watch(playout, director, fanout, hours)
            directing.cancel()
        as_run.stop()
        return {
            "hours": playout.program_seconds / 3600,
            "plays": self.plays,
            "failures": self.failures,
            "asked": self.asked,
            "other_levels": self.other_levels,
            "gap_seconds": playout.gap_seconds,
            "skew_seconds": playout.skew_seconds,
            "slot_faults": self.viewer.faults,
            "pictures": self.viewer.packets[Kind.VIDEO],
            "sound": self.viewer.packets[Kind.AUDIO],
        }

    async def _watch(self, playout: Playout, director: Director, fanout: Fanout, hours: float) -> None:
        subscription = fanout.subscribe()
        process = psutil.Process()
        next_sample = 0.0
        await director.first_item.wait()
        while (seconds := playout.program_seconds) < hours * 3600:
            if not _ready(playout, director):
                await asyncio.sleep(0.0002)
                continue
            self.clock.now += SLICE_SECONDS
            playout.play_until(self.clock.now)
            self.viewer.take(subscription.take(0))
            await asyncio.sleep(0)
            if seconds >= next_sample:
                next_sample += _SAMPLE_SECONDS
                _print(asdict(Held.by(process, seconds / 3600)))


def _ready(playout: Playout, director: Director) -> bool:
    """Whether the program has its next slice; a day in minutes must not outrun the reader threads."""
    following = playout._fallback.next is not None
    feed = director.on_air
    if feed is None or playout.item is None:
        return following
    held = feed.buffer
    return held.seconds >= _HELD_SECONDS or (held.finished and following)


def _print(value: dict[str, float]) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - its output


def main(folder: Path, hours: float) -> None:
    """The child."""
    share_one_arena()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    clock = SetClock()
    library = cached.library(folder / "library", clock=clock)
    items = [cached.item(f"film-{frames}") for frames in FRAMES]
    for number, (item, frames) in enumerate(zip(items, FRAMES, strict=True)):
        library.answered(item, item.locator, title=item.title, duration_seconds=None)
        cached.encode(library, item, cached.packets(frames=frames, frame_bytes=_FRAME_BYTES, seed=number))
    slate = asyncio.run(prepare_slate(cached.HOUSE, ffmpeg=Path(any_ffmpeg()), cache_dir=folder))
    day = Day(library=library, slate=slate, clock=clock, folder=folder)
    _print(asyncio.run(day.play(items, hours)))
    library.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
