"""The director in virtual time, with real feeds of sources that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from stands.feeding import SMALL
from stands.house import RATE
from stands.virtual_time import VirtualLoop, run_for
from tg_video_streamer.automation.director import UNFINISHED_SECONDS, Director
from tg_video_streamer.automation.playlist_sync import PlaylistSync
from tg_video_streamer.errors import ResolveError, SourceGone, SourceUnfinished, ToolBehind
from tg_video_streamer.events import EventBus
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.quarantine import Quarantine
from tg_video_streamer.playlist.rotation import Rotation
from tg_video_streamer.playlist.watch import PlaylistWatcher
from tg_video_streamer.playout.fanout import Fanout
from tg_video_streamer.playout.playout import Playout
from tg_video_streamer.playout.slate import Slate
from tg_video_streamer.resolve.media import Expansion, Media

_HOURS = 6


def attempts_at(
    slate: Slate, count: int, error: ResolveError, *, takes_seconds: float, run_seconds: float
) -> list[tuple[float, str]]:
    """When the director tried which of `count` items, all of which end in `error`."""
    loop = VirtualLoop()
    attempts: list[tuple[float, str]] = []

    async def resolve(item: Item) -> Media | Expansion:
        attempts.append((loop.time(), item.key))
        await asyncio.sleep(takes_seconds)
        raise error

    def make_feed(item: Item, *, start_seconds: float, changed: Callable[[], None]) -> Feed:
        return Feed(
            item,
            resolve=resolve,
            house=SMALL,
            headers=slate.headers,
            ffmpeg=Path("ffmpeg"),
            buffer_seconds=15.0,
            clock=loop,
            publish=lambda _: None,
            start_seconds=start_seconds,
            changed=changed,
        )

    rotation, quarantine = Rotation(), Quarantine(loop)
    rotation.replace([Item(LocatorKind.URL, f"https://example.org/{number}") for number in range(count)])
    director = Director(
        rotation=rotation,
        quarantine=quarantine,
        playout=Playout(
            slate=slate,
            fanout=Fanout(slate.headers, RATE),
            clock=loop,
            events=EventBus(loop),
            listener=lambda *_: None,
        ),
        make_feed=make_feed,
        lists=PlaylistSync(
            watcher=PlaylistWatcher(Path("playlist.txt")),
            rotation=rotation,
            quarantine=quarantine,
            resolve=resolve,
            clock=loop,
        ),
        clock=loop,
    )
    began = loop.time()
    run_for(loop, run_seconds, director.run())
    return [(when - began, key) for when, key in attempts]


@pytest.mark.parametrize("seconds", [0.0, 9.0])
@pytest.mark.parametrize(
    "error", [ResolveError("the site answers 500"), SourceGone("it is gone"), ToolBehind("outdated")]
)
def test_a_dead_playlist_is_asked_once_an_item_and_minute(slate: Slate, error: ResolveError, seconds: float) -> None:
    """Fifty failing sources: no two attempts at one within a minute, and soon few attempts at all."""
    attempts = attempts_at(slate, 50, error, takes_seconds=seconds, run_seconds=_HOURS * 3600)
    by_key: dict[str, list[float]] = {}
    for when, key in attempts:
        by_key.setdefault(key, []).append(when)
    assert len(by_key) == 50
    assert all(later - earlier >= 60 for times in by_key.values() for earlier, later in pairwise(times))
    assert sum(when > 3600 for when, _ in attempts) <= (_HOURS - 1) * 30 + 1


def test_a_file_that_is_still_written_is_looked_at_every_few_seconds(slate: Slate) -> None:
    """Waiting for files is no failure: no pause grows, and each is tried again soon after it may rest."""
    attempts = attempts_at(slate, 2, SourceUnfinished("it grows"), takes_seconds=0.0, run_seconds=600.0)
    by_key: dict[str, list[float]] = {}
    for when, key in attempts:
        by_key.setdefault(key, []).append(when)
    assert len(by_key) == 2
    for times in by_key.values():
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert min(pauses) >= UNFINISHED_SECONDS
        assert max(pauses) <= UNFINISHED_SECONDS + 2
