"""Sources of the running service: ffmpeg killed or frozen, sites that break off, refuse, hang: viewers get whole frames."""

from __future__ import annotations

import json
import re
import signal
import sysconfig
import venv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stands.channel import Record, on_air
from stands.numbered import Plan, make_clip
from stands.recording import slot_faults
from stands.site import Segments, Site, cut_hls
from stands.waiting import wait_until

_SECONDS = {"cut": 6, "page": 4, "first": 3, "second": 3, "vod": 4, "dies": 8, "signed": 20}
"""Clips of the site and their lengths; item ids from 11 on."""
_IDS = {name: number for number, name in enumerate(_SECONDS, start=11)}
_NOISY = ("-vf", "noise=alls=10:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "800k", "-g", "25")
"""About the same number of bytes for each second, so that half of the bytes are half of the clip."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the site serves."""
    folder = tmp_path_factory.mktemp("site")
    for name, seconds in _SECONDS.items():
        plan = Plan(item_id=_IDS[name], frames=seconds * 25, encoder=(*_NOISY, "-pix_fmt", "yuv420p"))
        make_clip(folder / f"{name}.mp4", plan, extra=("-movflags", "+faststart"))
    return folder


def test_a_killed_and_a_frozen_encoder_cost_no_frame(media: Path, tmp_path: Path) -> None:
    """An encoder is killed amid an item, and its successor freezes: the item continues frame by frame, and no slate is seen."""
    with on_air(tmp_path, media, lines=[media / "long.mp4", media / "one.mp4"]) as channel:
        service = channel.service
        service.wait_for(lambda status: status["buffer_seconds"] > 14, what="the buffer is full")
        since = channel.mark()
        (first,) = service.feeds_of(media / "long.mp4")
        first.kill()
        (second,) = wait_until(
            lambda: [one for one in service.feeds_of(media / "long.mp4") if one.pid != first.pid], what="a new ffmpeg"
        )
        service.wait_for(lambda status: status["buffer_seconds"] > 14, what="the buffer is full again")
        second.send_signal(signal.SIGSTOP)
        frozen = service.status()
        seconds = frozen["position_seconds"] + frozen["buffer_seconds"] + 2
        service.wait_for(lambda status: status["position_seconds"] > seconds, what="what was read after the freeze")
        status = service.status()
        metrics = channel.metrics()
        assert service.stop() == 0
        gone = not second.is_running()
        record = channel.aired(since)

    assert gone
    assert record.faults == []
    (stretch,) = record.stretches
    assert stretch.item_id == 5
    assert stretch.numbers == list(range(stretch.numbers[0], stretch.numbers[0] + stretch.frames))
    assert status["gap_seconds"] == 0
    assert status["streams_played"] == 1
    assert re.search(r'tg_video_streamer_source_failures_total\{reason="encoder_failed",stage="feed"\} 1', metrics), (
        metrics
    )
    assert re.search(r'tg_video_streamer_source_failures_total\{reason="input_stalled",stage="feed"\} 1', metrics), (
        metrics
    )
    assert [line["title"] for line in channel.as_run() if line["level"] == "item"] == ["long"]


_BEFORE = ("cut.mp4", "watch", "broken", "list.rss", "vod/index.m3u8", "hang", "loop", "missing.mp4", "dies.mp4")
_PLAYS = 11
"""One, two, the cut one, the page, two of the list, the recorded HLS, the dying one, three, the signed link, four."""


@dataclass(frozen=True, kw_only=True)
class Evening:
    """A playlist of everything that a site can do, played once, and what came of it."""

    site: Site
    record: Record
    warnings: str
    metrics: str
    reasons: dict[str, str]
    """Of each title in the as-run log: why it came off."""
    status: dict[str, Any]


@pytest.fixture(scope="module")
def evening(media: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Evening:
    """Played from the first item to the last; both are local files."""
    folder = tmp_path_factory.mktemp("evening")
    with Site() as site:
        dies = _serve_all(site, clips, folder)
        lines = [media / "one.mp4", media / "two.mp4", *(site.url(f"/{name}") for name in _BEFORE)]
        lines += [media / "three.mp4", site.url("/watch-signed"), media / "four.mp4"]
        with on_air(folder, media, lines=lines, LOOP="0") as channel:
            wait_until(lambda: _asked_behind(site, "/dies.mp4", dies), timeout=90, what="the film that dies is read")
            site.fail("/dies.mp4", 500)
            channel.wait_now("A signed link")
            site.expire_links()
            channel.service.wait_for(lambda status: status["streams_played"] == _PLAYS, what="all played")
            status = channel.wait_state("on_slate")
            metrics = channel.metrics()
            assert channel.service.stop() == 0
            return Evening(
                site=site,
                record=channel.aired(),
                warnings=json.dumps(status["warnings"]),
                metrics=metrics,
                reasons={line["title"]: line["reason"] for line in channel.as_run()},
                status=status,
            )


def _serve_all(site: Site, clips: Path, folder: Path) -> int:
    """Everything that the evening plays; at how many bytes the film that dies breaks off, again and again."""
    half = (clips / "cut.mp4").stat().st_size // 2
    site.file("/cut.mp4", clips / "cut.mp4", cut_after_bytes=half, cuts_left=None)
    site.file("/page.mp4", clips / "page.mp4")
    site.page("/watch", "/page.mp4", title="A page with a film")
    site.status("/broken", 500)
    site.file("/first.mp4", clips / "first.mp4")
    site.file("/second.mp4", clips / "second.mp4")
    site.feed("/list.rss", ["/first.mp4", "/second.mp4"])
    site.hls("/vod/index.m3u8", cut_hls(clips / "vod.mp4", folder / "vod"))
    site.hang("/hang")
    site.redirect_loop("/loop")
    piece = (clips / "dies.mp4").stat().st_size // 6
    site.file("/dies.mp4", clips / "dies.mp4", bytes_per_second=200_000, cut_after_bytes=piece, cuts_left=None)
    most = (clips / "signed.mp4").stat().st_size * 16 // 20
    site.file("/signed.mp4", clips / "signed.mp4", bytes_per_second=500_000, signed=True, cut_after_bytes=most)
    site.page("/watch-signed", "/signed.mp4", title="A signed link", lives_seconds=60)
    return piece


def _asked_behind(site: Site, path: str, offset: int) -> bool:
    """Whether a client has come back for what lies behind `offset` and one more piece."""
    found = [re.match(r"bytes=(\d+)-", request.headers.get("range", "")) for request in site.requests(path)]
    return any(int(one[1]) > 1.5 * offset for one in found if one)


@pytest.mark.long
def test_whatever_the_sites_do_the_program_has_no_hole(evening: Evening) -> None:
    """Every packet of the evening stands in its slot, and every frame of what is on air follows the one before it."""
    assert evening.record.faults == []
    assert evening.status["gap_seconds"] == 0
    seen = [one for one in evening.record.items if one is not None]
    assert seen[:2] == [1, 2]
    # What a site is slow to give lets another item go before it, so the order of the others is the machine's.
    assert sorted(set(seen)) == sorted({1, 2, 3, 4, *(_IDS[name] for name in _IDS)})


@pytest.mark.long
@pytest.mark.parametrize("name", ["cut", "page", "first", "second", "vod", "signed"])
def test_items_of_sites_are_aired_whole(evening: Evening, name: str) -> None:
    """A file that is cut off again and again, a page, a list, recorded HLS, and a link that dies amid: whole, once."""
    assert [one.numbers for one in evening.record.of(_IDS[name])] == [list(range(_SECONDS[name] * 25))]


@pytest.mark.long
def test_a_link_that_dies_amid_its_item_is_resolved_again(evening: Evening) -> None:
    """The page was asked again for a fresh link after the one in use was refused."""
    tokens = [request.query["token"][0] for request in evening.site.requests("/signed.mp4")]
    assert len(set(tokens)) >= 2
    assert tokens.count(tokens[0]) > 1


@pytest.mark.long
def test_an_item_that_dies_for_good_gives_way_and_is_told(evening: Evening) -> None:
    """It is aired as far as it came; then something else is on, and metric, as-run log and warnings tell of it."""
    (aired,) = evening.record.of(_IDS["dies"])
    assert aired.numbers == list(range(len(aired.numbers)))
    assert 25 <= len(aired.numbers) < 200
    assert evening.reasons["dies"] in {"source_stalled", "source_failed"}
    assert re.search(
        r'tg_video_streamer_source_failures_total\{reason="resolve_error",stage="resolve"\} [1-9]', evening.metrics
    )
    assert re.search(r"failure\.(source_stalled|source_failed)", evening.warnings), evening.warnings


@pytest.mark.long
def test_sources_that_never_play_rest(evening: Evening) -> None:
    """A redirect loop and a site that answers 500 are asked once a minute at most, then they and a missing file rest."""
    assert len(evening.site.requests("/broken")) == 1
    loops = [request for request in evening.site.requests("/loop") if not request.query]
    assert len(loops) == 1
    assert len(evening.site.requests("/missing.mp4")) == 1
    assert len(evening.site.requests("/hang")) <= 5
    assert "source_gone" in evening.warnings
    assert "resolve_error" in evening.warnings


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory: pytest.TempPathFactory) -> Segments:
    """Thirty numbered seconds in segments of one second, item 20."""
    folder = tmp_path_factory.mktemp("broadcast")
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")
    clip = make_clip(folder / "live.mp4", Plan(item_id=20, frames=750, encoder=encoder))
    return cut_hls(clip, folder / "segments")


@pytest.mark.parametrize(
    "stalled_seconds", [pytest.param(14, marks=pytest.mark.long), pytest.param(20, marks=pytest.mark.long)]
)
def test_a_live_source_stalls_comes_back_and_ends(
    broadcast: Segments, media: Path, tmp_path: Path, stalled_seconds: float
) -> None:
    """A live stream plays behind its edge; while it stalls there is the slate, then itself again; then the next item."""
    with Site() as site:
        live = site.live("/live/index.m3u8", broadcast)
        lines = [media / "one.mp4", site.url("/live/index.m3u8"), media / "two.mp4"]
        with on_air(tmp_path, media, lines=lines, BUFFER_SECONDS="4") as channel:
            service = channel.service
            service.wait_for(lambda status: status["now"] and status["now"]["is_live"], what="the live item")
            channel.wait_recorded(channel.mark() + 3)
            live.stall()
            goal = service.status()["program_seconds"] + stalled_seconds
            channel.wait_state("on_slate")
            service.wait_for(lambda status: status["program_seconds"] > goal, what="the stall")
            live.go_on()
            channel.wait_state("on_air")
            channel.wait_recorded(channel.mark() + 3)
            live.end()
            service.wait_for(lambda status: status["now"] and not status["now"]["is_live"], what="the next")
            channel.wait_recorded(channel.mark() + 5)
            assert service.stop() == 0
            aired = channel.aired()

    assert slot_faults(aired.recording) == []
    shown = aired.items
    back = len(shown) - 1 - shown[::-1].index(20)
    assert shown[back - 2 : back] == [20, None]
    for stretch in aired.of(20):
        # The clip comes round again and again.
        steps = [(two - one) % 750 for one, two in pairwise(stretch.numbers)]
        assert all(step == 1 for step in steps), stretch.numbers
    assert shown[back + 1] in {1, 2}
    assert aired.stretches[back + 1].numbers == list(range(100))


def _without_ytdlp(folder: Path) -> list[Path | str]:
    """The command of an installation that has everything but yt-dlp: its packages are links to those of this one."""
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    for found in Path(sysconfig.get_path("purelib")).iterdir():
        if not found.name.startswith("yt_dlp"):
            (packages / found.name).symlink_to(found)
    run = "import sys; from tg_video_streamer.cli import main; sys.exit(main(sys.argv[1:]))"
    return [folder / "bin" / "python", "-c", run]


@pytest.mark.long
def test_files_play_on_without_ytdlp(media: Path, tmp_path: Path) -> None:
    """Where yt-dlp is not installed the files of the list follow each other without a gap, and it is reported."""
    lines = [media / "one.mp4", "http://127.0.0.1:9/watch", media / "two.mp4"]
    with on_air(tmp_path / "channel", media, lines=lines, command=_without_ytdlp(tmp_path / "venv")) as channel:
        channel.service.wait_for(lambda status: status["streams_played"] >= 4, what="each file twice")
        warnings = channel.service.status()["warnings"]
        log = channel.service.log
        assert channel.service.stop() == 0
        aired = channel.aired()
    assert aired.faults == []
    assert [item for item in aired.items if item is not None][:4] == [1, 2, 1, 2]
    assert None not in aired.items[1:]
    assert "yt-dlp is not installed" in log
    assert any("failure.tool_missing" in str(warning) for warning in warnings)


@pytest.mark.long
def test_files_play_on_while_ytdlp_hangs(media: Path, tmp_path: Path) -> None:
    """A page that never answers delays no file of the list: each follows the other without a hole or a slate."""
    with Site() as site:
        site.hang("/hang")
        # Long enough for what stands behind the page to be primed on any machine: it is begun once the page is slow.
        two = make_clip(tmp_path / "two.mp4", Plan(item_id=2, frames=400))
        lines = [media / "one.mp4", two, site.url("/hang"), media / "three.mp4"]
        with on_air(tmp_path, media, lines=lines) as channel:
            channel.service.wait_for(lambda status: status["streams_played"] >= 4, what="round again", timeout=90)
            assert channel.service.stop() == 0
            aired = channel.aired()
    assert site.requests("/hang")
    assert aired.faults == []
    assert [item for item in aired.items if item is not None][:4] == [1, 2, 3, 1]
    assert None not in aired.items[1:]
