"""Clips of a fraction of a second in a row."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stands.feeding import SMALL, feed_of, item_of, resolve_simply
from stands.numbered import Plan, any_ffmpeg, make_clip
from tg_video_streamer.automation.director import Director
from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.events import Event, EventBus, SegmentStarted, SourceLevel
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import PlaylistWatcher
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.playout.slate import Slate
from tg_video_streamer.playout.source import PlayoutEvent


class PatientClock(SystemClock):
    """Of the director: no patience ends on a slow machine."""

    def monotonic(self) -> float:
        """See Clock."""
        return 1000.0


@pytest.mark.parametrize("clips", [10, pytest.param(30, marks=pytest.mark.long)])
async def test_the_slate_does_not_flash_between_tiny_clips(clips: int, slate: Slate, tmp_path: Path) -> None:
    """Clips of 0.2 s go on air in a row, however slowly they are primed, not one by one between slates."""
    clip = make_clip(tmp_path / "tiny.mp4", Plan(item_id=1, frames=5))
    paths = [Path(shutil.copy(clip, tmp_path / f"tiny-{number}.mp4")) for number in range(clips)]
    clock, loop = SystemClock(), asyncio.get_running_loop()
    levels: list[SourceLevel] = []
    over = asyncio.Event()

    def heard(event: Event) -> None:
        if isinstance(event, SegmentStarted):
            levels.append(event.content.level)
            if levels.count(SourceLevel.ITEM) == clips:
                loop.call_soon_threadsafe(over.set)

    events = EventBus(loop)
    events.subscribe(heard)

    def make_feed(item: Item, *, start_seconds: float, changed: Callable[[], None]) -> Feed:
        return feed_of(
            item,
            Path(any_ffmpeg()),
            headers=slate.headers,
            house=SMALL,
            start_seconds=start_seconds,
            changed=changed,
        )

    rotation, quarantine = Rotation(loop=False), Quarantine(clock)
    rotation.replace([item_of(path) for path in paths])

    def listen(event: PlayoutEvent) -> None:
        loop.call_soon_threadsafe(director.on_playout_event, event)

    playout = Playout(
        slate=slate, fanout=Fanout(slate.headers, slate.rate), clock=clock, events=events, listener=listen
    )
    director = Director(
        rotation=rotation,
        quarantine=quarantine,
        playout=playout,
        make_feed=make_feed,
        lists=PlaylistSync(
            watcher=PlaylistWatcher(Path("playlist.txt")),
            rotation=rotation,
            quarantine=quarantine,
            resolve=resolve_simply,
            clock=clock,
        ),
        clock=PatientClock(),
    )
    playout.start()
    task = asyncio.create_task(director.run())
    try:
        async with asyncio.timeout(120):
            await over.wait()
    finally:
        task.cancel()
        await asyncio.wait([task])
        playout.stop()
    # After the last clip there is nothing to play, and the playout is stopped only then.
    assert levels[: clips + 1] == [SourceLevel.SLATE, *[SourceLevel.ITEM] * clips]
