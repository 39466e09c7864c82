"""When the service requests a newer yt-dlp, and how it reports an update's result."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from stands.virtual_time import SetClock
from tg_video_streamer.errors import ResolveError
from tg_video_streamer.events import Event, UpdateFailed
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.resolve.failure import failure
from tg_video_streamer.resolve.media import Media
from tg_video_streamer.resolve.ytdlp_health import REQUEST_NAME, UpdateRequests
from tg_video_streamer.resolve.ytdlp_update import UpdateRecord, UpdateWatch, record_path

DAY = 86400.0
OUTDATED = {"message": "Unable to extract player response", "expected": False}


class _Web:
    """Items of which those in `bad` fail with `said`."""

    def __init__(self) -> None:
        self.bad: set[str] = set()
        self.said = OUTDATED

    async def resolve(self, item: Item) -> Media:
        if item.locator in self.bad:
            raise failure({"error": self.said})
        return Media(inputs=())


class _Channel:
    """A channel with ten web items."""

    def __init__(self, folder: Path, *, pinned: bool = False) -> None:
        self.clock = SetClock(1_900_000_000.0)
        self.web = _Web()
        self.request = folder / REQUEST_NAME
        requests = UpdateRequests(folder, clock=self.clock, wanted=lambda: not pinned)
        self._resolve = requests.watching(self.web.resolve)

    def play(self, *numbers: int) -> None:
        for number in numbers:
            self.clock.now += 60
            self.play_at(f"https://video.example/{number}")

    def play_at(self, address: str) -> None:
        try:
            asyncio.run(self._resolve(Item(LocatorKind.URL, address)))
        except ResolveError:
            return

    def break_items(self, *numbers: int) -> None:
        self.web.bad = {f"https://video.example/{number}" for number in numbers}


def test_an_update_is_asked_for_when_most_items_fail(tmp_path: Path) -> None:
    """One bad item, or a few of many, say nothing of yt-dlp; most at once do."""
    channel = _Channel(tmp_path)
    channel.break_items(3)
    channel.play(*range(10))
    channel.play(3, 3, 3)
    assert not channel.request.exists()
    channel.break_items(*range(10))
    channel.play(*range(5))
    assert not channel.request.exists(), "half is not most"
    channel.play(5)
    assert channel.request.exists()


def test_one_site_of_several_asks(tmp_path: Path) -> None:
    """A site that changes is noticed, however many items of other sites play."""
    channel = _Channel(tmp_path)
    channel.break_items(*range(10))
    for number in range(30):
        channel.play_at(f"https://other.example/{number}")
    channel.play(0, 1)
    assert not channel.request.exists()
    channel.play(2)
    assert channel.request.exists()


def test_a_channel_of_one_item_asks_after_three_tries(tmp_path: Path) -> None:
    """Where there is nothing to compare with, tries count."""
    channel = _Channel(tmp_path)
    channel.break_items(0)
    channel.play(0, 0)
    assert not channel.request.exists()
    channel.play(0)
    assert channel.request.exists()


def test_it_asks_once_a_day_over_restarts(tmp_path: Path) -> None:
    """However many items fail, and however often the service starts, the file is written once a day."""
    for expected in (True, False):
        channel = _Channel(tmp_path)
        channel.break_items(*range(10))
        channel.play(*range(10))
        assert channel.request.exists() is expected or channel.request.stat().st_mtime < channel.clock.now - 300
    asked = channel.request.stat().st_mtime
    os.utime(channel.request, (asked - DAY, asked - DAY))
    channel.play(*range(3))
    assert channel.request.stat().st_mtime > asked


@pytest.mark.parametrize(
    "said",
    [
        {"message": "Unable to download webpage: timed out", "expected": True, "causes": ["TransportError"]},
        {"message": "Private video. Sign in if you have been granted access", "expected": True},
    ],
)
def test_what_no_update_mends_asks_for_none(tmp_path: Path, said: dict[str, Any]) -> None:
    """A network that is down is no reason for an update that could not be fetched either."""
    channel = _Channel(tmp_path)
    channel.web.said = said
    channel.break_items(*range(10))
    channel.play(*range(10))
    assert not channel.request.exists()


def test_a_pinned_version_asks_for_nothing(tmp_path: Path) -> None:
    """YTDLP_PIN is the operator's word."""
    channel = _Channel(tmp_path, pinned=True)
    channel.break_items(*range(10))
    channel.play(*range(10))
    assert not channel.request.exists()


class _Record:
    """The record of a host, and a watch on it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "yt-dlp-update.json"
        self.folder = folder
        self.events: list[Event] = []
        self.received: list[UpdateRecord] = []
        self.start()

    def start(self) -> None:
        self.watch = UpdateWatch(
            self.path,
            state_folder=self.folder,
            clock=SetClock(1_900_000_000.0),
            publish=self.events.append,
            changed=self.received.append,
        )

    def write(self, time: float, result: str, **more: object) -> None:
        self.path.write_text(json.dumps({"time": time, "result": result, "detail": "why", "counts": {}, **more}))


def test_a_failed_update_is_told_once_over_restarts(tmp_path: Path) -> None:
    """A new record is published when the service first reads it, and never again."""
    record = _Record(tmp_path)
    record.watch.check()
    assert record.events == []
    record.write(100.0, "failed", counts={"failed": 2}, last_success=50.0)
    record.watch.check()
    record.watch.check()
    record.start()
    record.watch.check()
    [event] = record.events
    assert isinstance(event, UpdateFailed)
    assert (event.program, event.detail) == ("yt-dlp", "why")
    assert record.received[1].counts["failed"] == 2
    record.write(200.0, "rolled_back")
    record.watch.check()
    record.write(300.0, "updated")
    record.watch.check()
    assert len(record.events) == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"time": "x"}', '{"counts": {"failed": null}}'])
def test_a_spoilt_record_harms_nothing(tmp_path: Path, text: str) -> None:
    """What is no record is left alone until there is one."""
    record = _Record(tmp_path)
    record.path.write_text(text)
    record.watch.check()
    record.write(100.0, "failed")
    record.watch.check()
    assert len(record.events) == 1


def test_the_record_lies_beside_the_releases() -> None:
    """All releases of a host share one, so that a deployment forgets nothing."""
    base = Path("/opt/tg_video_streamer")
    assert record_path(base / "releases" / "1.2" / "venv") == base / "yt-dlp-update.json"
