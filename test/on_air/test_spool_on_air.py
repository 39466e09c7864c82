"""Items of a site that throttles, dies, breaks off and is slow: viewers see each of them whole, and no slate between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from stands.channel import Channel, Record, on_air
from stands.numbered import Plan, make_clip
from stands.service import Service
from stands.throttling_site import ThrottlingSite
from stands.waiting import wait_until

_NOISY = ("-vf", "noise=alls=24:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2M", "-g", "25")
_FIRST_FRAMES = 600
"""The first item covers the first downloads, as films do."""
_FRAMES = 200
_ITEMS = 10
Cause = Callable[[ThrottlingSite, Service], None]


def _clips(folder: Path, frames: Sequence[int]) -> Path:
    for number, count in enumerate(frames, start=1):
        plan = Plan(item_id=number, frames=count, encoder=(*_NOISY, "-pix_fmt", "yuv420p"))
        make_clip(folder / f"clip-{number:02}.mp4", plan, extra=("-movflags", "+faststart"))
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten clips of 24 s and 8 s, 2 MB for 8 s: a player gets them at a sixth of real time."""
    return _clips(tmp_path_factory.mktemp("throttled"), [_FIRST_FRAMES, *[_FRAMES] * (_ITEMS - 1)])


def _play(folder: Path, media: Path, site: ThrottlingSite, count: int, cause: Cause) -> tuple[Channel, Record]:
    """The first `count` items once; what viewers saw of them."""
    lines = [site.page_url(f"clip-{number:02}.mp4") for number in range(1, count + 1)]
    with on_air(folder, media, lines=lines, LOOP="0", SPOOL_MAX_GB="1") as channel:
        service = channel.service
        cause(site, service)
        most = count * 60 + 120
        service.wait_for(lambda status: status["streams_played"] == count, timeout=most, what="the last one begins")
        channel.wait_state("on_slate", timeout=most)
        assert service.stop() == 0
        return channel, channel.aired()


def _assert_unbroken(record: Record, frames: Sequence[int]) -> None:
    """All items follow one another from the first frame of the first to the last of the last."""
    begin = record.items.index(1)
    shown = record.stretches[begin : begin + len(frames)]
    assert [one.item_id for one in shown] == list(range(1, len(frames) + 1)), record.items
    assert [len(one.numbers) for one in shown] == list(frames)
    assert record.faults == []


def _nothing(_site: ThrottlingSite, _service: Service) -> None:
    """The site does as it always does."""


@pytest.mark.parametrize("count", [3, pytest.param(_ITEMS, marks=pytest.mark.long)])
def test_items_of_a_throttling_site_follow_one_another(media: Path, clips: Path, tmp_path: Path, count: int) -> None:
    """Items of a site that gives a player 40 kB/s are aired one after the other: no slate after the first began."""
    with ThrottlingSite(clips) as site:
        channel, record = _play(tmp_path, media, site, count, _nothing)
    _assert_unbroken(record, [_FIRST_FRAMES, *[_FRAMES] * (count - 1)])
    assert "[warning" not in channel.service.log
    assert all(one.range for one in site.requests if one.agent and "Lavf" not in one.agent)


def _slow(site: ThrottlingSite, _service: Service) -> None:
    site.bytes_per_second = 500_000


def _cut(site: ThrottlingSite, _service: Service) -> None:
    site.cut_every = 5


def _killed(site: ThrottlingSite, service: Service) -> None:
    threading.Thread(target=_kill_in_last_halves, args=(site, service), daemon=True).start()


def _kill_in_last_halves(site: ThrottlingSite, service: Service) -> None:
    """The site dies in the last half of each item, once the next one is whole, and is back when that begins."""
    dead_in = 0
    while service.process.poll() is None:
        status = service.status()
        now = status.get("now") if status else None
        played = int(status["streams_played"]) if status else 0
        if not site.alive and (now is None or played > dead_in):
            site.revive()
        elif site.alive and now and status["position_seconds"] > (now["duration_seconds"] or 0) / 2 > 0:
            following = status["next_items"]
            if not following or status["spool"]["ready_items"] > 1:
                dead_in = played
                site.kill()
        time.sleep(0.2)  # a status a moment is enough


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param(_slow, id="at half its speed", marks=pytest.mark.long),
        pytest.param(_cut, id="every fifth cut", marks=pytest.mark.long),
        pytest.param(_killed, id="killed", marks=pytest.mark.long),
    ],
)
def test_faults_of_the_site_are_not_seen(media: Path, clips: Path, tmp_path: Path, cause: Cause) -> None:
    """At half the speed, with every fifth connection cut, with the site dead in the last half of each item: no slate."""
    with ThrottlingSite(clips) as site:
        channel, record = _play(tmp_path, media, site, 4, cause)
    _assert_unbroken(record, [_FIRST_FRAMES, *[_FRAMES] * 3])
    assert "source failed" not in channel.service.log


def test_a_skip_to_an_item_that_is_not_there_yet_shows_it_soon(media: Path, clips: Path, tmp_path: Path) -> None:
    """An item that nobody has asked for is on air while it is still being downloaded, with filler until then."""
    with _filler(media, tmp_path) as filler, ThrottlingSite(clips) as site:
        site.bytes_per_second = 1_000_000
        with on_air(tmp_path, media, lines=[media / "long.mp4"], SPOOL_MAX_GB="1", FILLER_DIR=str(filler)) as channel:
            channel.write(site.page_url("clip-01.mp4"))
            channel.ask("reload")
            channel.ask("skip")
            status = channel.wait_now("clip-01")
            took = channel.service.status()
            assert channel.service.stop() == 0
            record = channel.aired()
    assert status["level"] == "item"
    assert took["spool"] is not None
    assert 1 in record.items
    assert record.faults == []


def test_what_is_spooled_is_encoded_ahead_and_removed(media: Path, clips: Path, tmp_path: Path) -> None:
    """An item is encoded from its spooled file before its turn; the file goes then, and no player has asked the site."""
    with ThrottlingSite(clips) as site:
        # Items that come so soon that they are primed keep their files.
        soon = [media / f"{name}.mp4" for name in ("long", "one", "two", "three")]
        lines = [*soon, site.page_url("clip-02.mp4")]
        with on_air(tmp_path, media, lines=lines, LOOP="0", SPOOL_MAX_GB="1", LIBRARY_MAX_GB="1") as channel:
            service = channel.service
            service.wait_for(lambda status: status["spool"]["downloads"] == 1, what="it is whole")
            wait_until(lambda: not list((service.state_dir / "spool").iterdir()), timeout=110, what="it is encoded")
            assert service.status()["now"]["title"] == "long"
            assert service.stop() == 0
    assert [one for one in site.requests if "Lavf" in one.agent] == []


@contextmanager
def _filler(media: Path, folder: Path) -> Iterator[Path]:
    there = folder / "filler"
    there.mkdir()
    (there / "one.mp4").write_bytes((media / "one.mp4").read_bytes())
    yield there


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_ten_minutes_of_a_throttling_site_have_no_slate(
    media: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Ten items of 60 s, with the site dead in the last half of each: ten minutes without a frame of slate."""
    frames = [1500] * _ITEMS
    clips = _clips(tmp_path_factory.mktemp("minutes"), frames)
    with ThrottlingSite(clips) as site:
        _, record = _play(tmp_path, media, site, _ITEMS, _killed)
    _assert_unbroken(record, frames)
