"""Cut connections, dead sites, SIGKILL and full disks: a download continues at its byte, and is whole or not there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from stands.site import Site, cut_hls
from stands.small_disk import on_small_disk
from stands.spool_child import kill_at, media_bytes, spool_until_whole
from stands.spooling import real_resolver, same_bytes, spooling, url_item
from stands.throttling_site import ThrottlingSite
from tg_video_streamer.resolve.media import Media
from tg_video_streamer.spool.state import SpoolState
from tg_video_streamer.spool.ytdlp_fetch import YtdlpFetch


async def test_a_download_outlives_cut_connections(site: ThrottlingSite, clips: Path, tmp_path: Path) -> None:
    """With every second connection cut in its middle an item becomes whole, byte for byte."""
    site.cut_every = 2
    item = url_item(site.page_url("first.mp4"))
    async with spooling(tmp_path, wanted=[item]) as running:
        await running.whole(item, seconds=90)
        path = running.entry(item).local().inputs[0].location
    assert same_bytes(path, clips / "first.mp4")


async def test_a_download_that_was_killed_after_its_last_byte(
    site: ThrottlingSite, clips: Path, tmp_path: Path
) -> None:
    """Where all bytes are in the file and only the record of it is missing, the next attempt finds the item whole."""
    ask = real_resolver(tmp_path)
    found = await ask(url_item(site.url("first.mp4")))
    assert isinstance(found, Media)
    download = found.inputs[0].download
    assert download is not None
    target = tmp_path / "0.mp4"
    target.write_bytes((clips / "first.mp4").read_bytes())
    await YtdlpFetch()(download, target, proxy="", progress=lambda _size, _whole: None)
    assert same_bytes(str(target), clips / "first.mp4")


async def test_a_site_that_comes_back_is_asked_for_the_rest(site: ThrottlingSite, clips: Path, tmp_path: Path) -> None:
    """A site that dies amid a download and comes back is asked for the missing bytes only."""
    site.bytes_per_second = 1_500_000
    item = url_item(site.url("first.mp4"))
    async with spooling(tmp_path, wanted=[item]) as running:
        await running.until(lambda: media_bytes(tmp_path) > 400_000)
        site.kill()
        await running.until(lambda: running.state(item) is SpoolState.PAUSED)
        have = media_bytes(tmp_path)
        site.bytes_per_second = None
        before = len(site.requests)
        site.revive()
        await running.whole(item, seconds=90)
        path = running.entry(item).local().inputs[0].location
    assert same_bytes(path, clips / "first.mp4")
    # The last byte comes again: behind it there may be nothing to ask for.
    assert f"bytes={have - 1}-" in [one.range for one in site.requests[before:]][-1]


async def test_a_spool_that_is_made_anew_finishes_its_download(
    site: ThrottlingSite, clips: Path, tmp_path: Path
) -> None:
    """A spool whose run broke amid a download begins it again when it runs again, at the byte where it was."""
    site.bytes_per_second = 1_500_000
    item = url_item(site.url("first.mp4"))
    async with spooling(tmp_path, wanted=[item]) as running:
        await running.until(lambda: media_bytes(tmp_path) > 400_000)
        before = len(site.requests)
        site.bytes_per_second = None
        await running.restarted()
        await running.whole(item)
        path = running.entry(item).local().inputs[0].location
    assert same_bytes(path, clips / "first.mp4")
    assert all(not one.range.startswith("bytes=0-") for one in site.requests[before:] if one.range)


def test_a_killed_process_continues_at_its_byte(site: ThrottlingSite, clips: Path, tmp_path: Path) -> None:
    """After SIGKILL at random moments the file is the site's, byte for byte, and few bytes were asked for twice."""
    site.bytes_per_second = 1_000_000
    url = site.url("first.mp4")
    _kill_often(tmp_path, url, size=(clips / "first.mp4").stat().st_size, times=2)
    (path,) = (tmp_path / "spool").glob("*/0.*")
    assert same_bytes(str(path), clips / "first.mp4")


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_fifty_kills_cost_nothing(site: ThrottlingSite, clips: Path, tmp_path: Path) -> None:
    """After SIGKILL at fifty random moments the file is the site's, byte for byte."""
    site.bytes_per_second = 200_000
    url = site.url("first.mp4")
    _kill_often(tmp_path, url, size=(clips / "first.mp4").stat().st_size, times=50)
    (path,) = (tmp_path / "spool").glob("*/0.*")
    assert same_bytes(str(path), clips / "first.mp4")


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_segments_of_a_killed_process_are_there_once(clips: Path, tmp_path: Path, times: int) -> None:
    """After SIGKILL at random moments of an HLS download its segments follow one another, each of them once."""
    segments = cut_hls(clips / "first.mp4", tmp_path / "hls")
    whole = b"".join((segments.folder / name).read_bytes() for name in segments.names)
    with Site() as site:
        for name in segments.names:
            site.file(f"/vod/{name}", segments.folder / name, bytes_per_second=600_000)
        site.file("/vod/index.m3u8", segments.folder / "index.m3u8")
        _kill_often(tmp_path, site.url("/vod/index.m3u8"), size=len(whole), times=times)
    (path,) = (one for one in (tmp_path / "spool").glob("*/0.*") if one.suffix != ".ytdl")
    assert path.read_bytes() == whole


def _kill_often(folder: Path, url: str, *, size: int, times: int) -> None:
    moments = random.Random(7)  # noqa: S311 - moments of a test
    for moment in sorted(moments.randrange(size * 9 // 10) for _ in range(times)):
        kill_at(folder, moment, url)
    spool_until_whole(folder, url)


def test_a_full_disk_leaves_the_program_to_the_source(tmp_path: Path) -> None:
    """On a full disk what is whole stays, the other item is read from its source, and the error says what to do."""
    folder = tmp_path / "disk"
    folder.mkdir()
    on_small_disk(folder, "4m", "stands.spool_on_small_disk", "fill")
