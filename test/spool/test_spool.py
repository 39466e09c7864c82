"""The spool downloads what comes next from a throttling site, proves it whole, and keeps within its bounds."""

from __future__ import annotations

from pathlib import Path

from stands.file_server import file_server
from stands.spooling import real_resolver, same_bytes, spooling, url_item
from stands.throttling_site import ThrottlingSite
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.resolve.media import Media
from tg_video_streamer.spool.source import SpooledSource
from tg_video_streamer.spool.state import SpoolState


async def test_items_ahead_are_downloaded_in_their_order(site: ThrottlingSite, clips: Path, tmp_path: Path) -> None:
    """Items of a page that throttles become whole local files, byte for byte, one after the other, in ranges of 10 MiB at most."""
    first, second = url_item(site.page_url("first.mp4")), url_item(site.page_url("second.mp4"))
    async with spooling(tmp_path, wanted=[first, second]) as running:
        await running.whole(first, second)
        found = await running.source.resolve(first)
    assert isinstance(found, Media)
    assert found.is_file
    (only,) = found.inputs
    assert same_bytes(only.location, clips / "first.mp4")
    names = [one.name for one in site.requests if one.range]
    assert names == sorted(names, key=["first.mp4", "second.mp4"].index)
    assert running.spool.counts.downloads == 2


async def test_a_whole_item_needs_its_site_no_more(site: ThrottlingSite, tmp_path: Path) -> None:
    """An item that was downloaded before a restart is read from its file while its site is dead."""
    item = url_item(site.page_url("first.mp4"))
    async with spooling(tmp_path, wanted=[item]) as running:
        await running.whole(item)
    site.kill()
    async with spooling(tmp_path) as running:
        found = await running.source.resolve(item)
        assert running.state(item) is SpoolState.WHOLE
    assert isinstance(found, Media)
    assert found.is_file


async def test_what_is_neither_wanted_nor_played_is_removed(site: ThrottlingSite, tmp_path: Path) -> None:
    """The files of an item go once it is over and does not come next."""
    first, second = url_item(site.page_url("first.mp4")), url_item(site.page_url("second.mp4"))
    async with spooling(tmp_path, wanted=[first, second]) as running:
        await running.whole(first, second)
        running.spool.plan([second], [])
        await running.until(lambda: len(list(running.folder.iterdir())) == 1)
        assert running.state(second) is SpoolState.WHOLE


async def test_two_channels_share_nothing(site: ThrottlingSite, clips: Path, tmp_path: Path) -> None:
    """Two channels that download the same item at once both have it whole, each in its own folder."""
    item = url_item(site.page_url("first.mp4"))
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    async with spooling(folders[0], wanted=[item]) as one, spooling(folders[1], wanted=[item]) as two:
        await one.whole(item)
        await two.whole(item)
        paths = {running.entry(item).local().inputs[0].location for running in (one, two)}
    assert len(paths) == 2
    assert all(same_bytes(path, clips / "first.mp4") for path in paths)


class HurriedClock(SystemClock):
    """Each look at it is half a minute later: no patience lasts."""

    now = 0.0

    def monotonic(self) -> float:
        """See Clock."""
        self.now += 30.0
        return self.now


async def test_an_index_at_the_end_without_ranges_is_waited_for(clips: Path, tmp_path: Path) -> None:
    """What only a whole download can play is not read from its server, however soon it is needed: it is local when it comes."""
    with file_server(clips) as server:
        server.sends_parts, server.begins_after_seconds = False, 1.0
        item = url_item(server.url("last.mp4"))
        async with spooling(tmp_path, wanted=[item]) as running:
            source = SpooledSource(running.spool, real_resolver(tmp_path), HurriedClock())
            found = await source.resolve(item)
    assert isinstance(found, Media)
    assert found.is_file
    assert same_bytes(found.inputs[0].location, clips / "last.mp4")
