"""What the spool downloads first, what it gives up for it, and what has no place in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stands.spooling import spooling, url_item
from tg_video_streamer.errors import ResolveError, SourceGone
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Download, Expansion, Fetcher, Media, MediaInput
from tg_video_streamer.spool.state import SpoolState

_SIZE = 1_000_000
_EBML = b"\x1a\x45\xdf\xa3"


@dataclass(kw_only=True)
class Bytes:
    """A site and its fetcher: every item has so many bytes, given in steps of a tenth while `flows` is set."""

    sizes: dict[str, int] = field(default_factory=dict)
    stated: bool = True
    sent: dict[str, int] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    step_seconds: float = 0.0

    async def ask(self, item: Item) -> Media | Expansion:
        """One input with its download."""
        download = Download(
            fetcher=Fetcher.YTDLP,
            request=item.locator,
            suffix="mkv",
            size_bytes=self.sizes.get(item.locator, _SIZE) if self.stated else None,
        )
        one = MediaInput(location=item.locator, is_file=False, download=download)
        return Media(inputs=(one,), title=item.locator, source_id=item.locator, duration_seconds=60)

    async def __call__(
        self, download: Download, target: Path, *, proxy: str, progress: Callable[[int, int | None], None]
    ) -> None:
        """See Fetch."""
        assert not proxy
        url, size = download.request, self.sizes.get(download.request, _SIZE)
        self.begun.append(url)
        have = await asyncio.to_thread(_size, target)
        while have < size:
            await self.flows.wait()
            if errors := self.errors.get(url):
                raise errors.pop()
            step = min(size - have, size // 10)
            await asyncio.to_thread(_append, target, (_EBML + bytes(step))[:step])
            have += step
            self.sent[url] = self.sent.get(url, 0) + step
            progress(have, size if self.stated else None)
            await asyncio.sleep(self.step_seconds)


def _size(target: Path) -> int:
    return target.stat().st_size if target.exists() else 0


def _append(target: Path, data: bytes) -> None:
    with target.open("ab") as file:
        file.write(data)


def _items(*names: str) -> list[Item]:
    return [url_item(f"http://127.0.0.1:9/{name}") for name in names]


def _fetchers(site: Bytes) -> dict[Fetcher, Bytes]:
    return {Fetcher.YTDLP: site}


async def test_what_a_feed_waits_for_comes_first(tmp_path: Path) -> None:
    """A download of a later item is given up for the one that a feed needs, and continues at its byte after it."""
    site = Bytes()
    later, now = _items("later", "now")
    async with spooling(tmp_path, fetchers=_fetchers(site), ask=site.ask, wanted=[later]) as running:
        await running.until(lambda: site.begun)
        asked = asyncio.create_task(running.source.resolve(now))
        await running.until(lambda: len(site.begun) == 2)
        site.flows.set()
        found = await asked
        await running.whole(now, later)
    assert isinstance(found, Media)
    assert site.begun == [later.locator, now.locator, later.locator]
    assert site.sent == {later.locator: _SIZE, now.locator: _SIZE}


async def test_the_bound_holds_what_comes_soonest(tmp_path: Path) -> None:
    """Never is more on the disk than the bound; the third item comes when the first is over."""
    site = Bytes()
    site.flows.set()
    one, two, three = _items("one", "two", "three")
    bound = round(_SIZE * 2.5)
    async with spooling(
        tmp_path, fetchers=_fetchers(site), ask=site.ask, max_bytes=bound, wanted=[one, two, three]
    ) as running:
        await running.whole(one, two)
        await running.until(lambda: three.locator not in site.begun and running.entry(three).not_before > 0)
        running.spool.plan([two, three], [])
        await running.whole(two, three, seconds=30)
        assert running.spool.report().used_bytes <= bound


async def test_what_comes_sooner_displaces_what_comes_later(tmp_path: Path) -> None:
    """An item that is put at the front of the program gets the place of the last one."""
    site = Bytes()
    site.flows.set()
    one, two, first = _items("one", "two", "first")
    async with spooling(
        tmp_path, fetchers=_fetchers(site), ask=site.ask, max_bytes=round(_SIZE * 2.5), wanted=[one, two]
    ) as running:
        await running.whole(one, two)
        running.spool.plan([first, one, two], [])
        await running.whole(first, one)
        assert running.state(two) in {None, SpoolState.WAITING}


@pytest.mark.parametrize("stated", [True, False])
async def test_an_item_larger_than_the_bound_is_read_from_its_source(tmp_path: Path, *, stated: bool) -> None:
    """An item that has no place, whether its size is stated or shows while it comes, is read from its source."""
    site = Bytes(stated=stated, step_seconds=0.3)
    site.flows.set()
    (item,) = _items("large")
    async with spooling(
        tmp_path, fetchers=_fetchers(site), ask=site.ask, max_bytes=_SIZE // 2, wanted=[item]
    ) as running:
        await running.until(lambda: running.state(item) is SpoolState.FAILED)
        found = await running.source.resolve(item)
        assert isinstance(found, Media)
        assert [one.location for one in found.inputs] == [item.locator]
        assert running.spool.problem is None


async def test_a_short_download_is_not_whole(tmp_path: Path) -> None:
    """A fetcher that ends before the promised size has not made the item whole; the next attempt brings the rest."""
    site = Bytes()
    site.flows.set()
    (item,) = _items("short")
    site.sizes[item.locator] = _SIZE // 2
    async with spooling(tmp_path, fetchers=_fetchers(site), ask=site.ask) as running:
        promised = await site.ask(item)
        assert isinstance(promised, Media)
        running.spool.plan([item], [])
        site.stated = False
        running.entry(item).answer = None
        await running.whole(item)


async def test_a_source_that_is_gone_is_left_to_the_resolver(tmp_path: Path) -> None:
    """A download that finds its source removed twice, with a new answer of its page, is given up for its source."""
    site = Bytes()
    site.flows.set()
    (item,) = _items("gone")
    site.errors[item.locator] = [SourceGone("it was removed"), SourceGone("it was removed")]
    async with spooling(tmp_path, fetchers=_fetchers(site), ask=site.ask, wanted=[item]) as running:
        await running.until(lambda: running.state(item) is SpoolState.FAILED)
        running.spool.plan([], [])
        running.spool.plan([item], [])
        assert running.state(item) is SpoolState.FAILED
        found = await running.source.resolve(item)
    assert isinstance(found, Media)
    assert not found.is_file


async def test_a_defect_of_a_fetcher_costs_one_item(tmp_path: Path) -> None:
    """A fetcher that raises what no fetcher may raise leaves its item to the source, and the next one is downloaded."""
    site = Bytes()
    site.flows.set()
    bad, good = _items("bad", "good")
    site.errors[bad.locator] = [RuntimeError("a defect")]
    async with spooling(tmp_path, fetchers=_fetchers(site), ask=site.ask, wanted=[bad, good]) as running:
        await running.whole(good)
        assert running.state(bad) is SpoolState.FAILED


async def test_a_failed_attempt_is_followed_by_another(tmp_path: Path) -> None:
    """An attempt that fails is repeated after a pause, from the byte where it ended."""
    site = Bytes()
    site.flows.set()
    (item,) = _items("fails")
    site.errors[item.locator] = [ResolveError("connection reset")]
    async with spooling(tmp_path, fetchers=_fetchers(site), ask=site.ask, wanted=[item]) as running:
        await running.whole(item)
        assert running.spool.counts.failures == 1
    assert site.sent == {item.locator: _SIZE}


async def test_an_item_that_is_not_needed_yet_waits_for_its_download(tmp_path: Path) -> None:
    """While its downloads fail, an item with time left waits for them; one that is needed now is read from its source."""
    site = Bytes(step_seconds=0.01)
    site.flows.set()
    later, now = _items("later", "now")
    site.errors = {one.locator: [ResolveError("refused")] * times for one, times in ((later, 2), (now, 20))}
    async with spooling(tmp_path, fetchers=_fetchers(site), ask=site.ask) as running:
        running.source.eta = lambda item: 60.0 if item is later else 0.0
        found = {one: await running.source.resolve(one) for one in (now, later)}
    assert not _is_file(found[now])
    assert _is_file(found[later])


def _is_file(found: Media | Expansion) -> bool:
    assert isinstance(found, Media)
    return all(one.is_file for one in found.inputs)


async def test_an_item_is_read_while_it_grows(tmp_path: Path) -> None:
    """What a feed waits for is given as soon as enough of it is there, and says where its edge is."""
    site = Bytes()
    (item,) = _items("grows")
    site.sizes[item.locator] = 30_000_000
    site.flows.set()
    async with spooling(tmp_path, fetchers=_fetchers(site), ask=site.ask) as running:
        found = await running.source.resolve(item)
        assert isinstance(found, Media)
        (one,) = found.inputs
        assert one.growing is not None
        assert one.growing.size >= 600_000
        assert not found.is_file
        await running.whole(item)
