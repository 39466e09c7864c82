"""An item that is larger than the spool: it is read through a window that moves with its feed, inside the bound."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from stands.feeding import SMALL, feed_of, play
from stands.numbered import Plan, make_clip
from stands.program import encode_clip
from stands.spooling import spooling, url_item
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Download, Expansion, Fetcher, Media, MediaInput
from tg_video_streamer.spool.state import SpoolState

_FRAMES = 750
_BOUND = 60_000_000
_STEP_BYTES = 500_000
_FILLED = ("-x264-params", "nal-hrd=cbr", *("-b:v", "20M", "-minrate", "20M", "-maxrate", "20M", "-bufsize", "2M"))
"""Padded to 2.5 MB a second."""
_PLAN = Plan(
    item_id=5,
    frames=_FRAMES,
    width=426,
    height=240,
    encoder=("-c:v", "libx264", "-preset", "ultrafast", *_FILLED, "-g", "10", "-pix_fmt", "yuv420p"),
)
_ITEM = url_item("http://127.0.0.1:9/large")


@dataclass(kw_only=True)
class _Site:
    """A site and its fetcher: one file, sent in steps."""

    clip: Path

    async def ask(self, item: Item) -> Media | Expansion:
        """See Resolve."""
        size = self.clip.stat().st_size
        download = Download(fetcher=Fetcher.YTDLP, request="", suffix=self.clip.suffix[1:], size_bytes=size)
        one = MediaInput(location=item.locator, is_file=False, download=download)
        return Media(inputs=(one,), title="Large", source_id="large")

    async def __call__(
        self, download: Download, target: Path, *, proxy: str, progress: Callable[[int, int | None], None]
    ) -> None:
        """See Fetch."""
        assert (download.request, proxy) == ("", "")
        whole = self.clip.stat().st_size
        with self.clip.open("rb") as source, target.open("ab") as file:
            source.seek(file.tell())
            while data := source.read(_STEP_BYTES):
                file.write(data)
                file.flush()
                progress(file.tell(), whole)
                await asyncio.sleep(0.04)


def _used_bytes(folder: Path) -> int:
    return sum(one.stat().st_blocks * 512 for one in folder.glob("*/*"))


@pytest.mark.parametrize("name", ["large.mp4", pytest.param("large.mkv", marks=pytest.mark.long)])
async def test_an_item_larger_than_the_spool_plays_through_a_window(name: str, tmp_path: Path) -> None:
    """Every frame of it is played from its download, also after its encoder was killed, and the bound is kept."""
    clip = make_clip(tmp_path / name, _PLAN, extra=("-movflags", "+faststart") if name.endswith("mp4") else ())
    assert clip.stat().st_size > 1.1 * _BOUND
    headers = encode_clip(tmp_path, SMALL, seconds=1).headers
    site, most = _Site(clip=clip), 0
    async with spooling(
        tmp_path, fetchers={Fetcher.YTDLP: site}, ask=site.ask, max_bytes=_BOUND, wanted=[_ITEM]
    ) as running:

        def after(frames: int) -> None:
            nonlocal most
            if frames % 25 == 0:
                most = max(most, _used_bytes(running.folder))
            if frames == _FRAMES * 3 // 4:
                for child in psutil.Process().children():
                    if child.name().startswith("ffmpeg"):
                        os.kill(child.pid, signal.SIGKILL)

        feed = feed_of(_ITEM, find_ffmpeg(), headers=headers, resolve=running.source.resolve, buffer_seconds=0.5)
        played = await play(feed, after=after)
        dropped = sum(one.dropped_to for one in running.entry(_ITEM).growing)
        # Another play begins at its start again.
        again = await running.source.resolve(_ITEM)
        assert isinstance(again, Media)
        assert [one.growing.dropped_to for one in again.inputs if one.growing is not None] == [0]
    assert feed.state is FeedState.ENDED, feed.last_error
    assert played.decoded(tmp_path, headers).numbers(5) == list(range(_FRAMES))
    assert dropped > 0
    assert 0 < most < _BOUND


async def test_one_that_needs_its_end_is_read_from_its_source(tmp_path: Path) -> None:
    """An MP4 with its index last that is larger than the spool is soon given up, and the reason is named."""
    clip = tmp_path / "last.mp4"
    with clip.open("wb") as file:
        file.write(b"\0\0\0\x10ftypisom\0\0\0\0" + (3 * _BOUND).to_bytes(4, "big") + b"mdat")
        file.truncate(3 * _BOUND)
    site = _Site(clip=clip)
    async with spooling(
        tmp_path, fetchers={Fetcher.YTDLP: site}, ask=site.ask, max_bytes=_BOUND, wanted=[_ITEM]
    ) as running:
        await running.until(lambda: running.state(_ITEM) is SpoolState.FAILED)
        problem = running.spool.problem
        received = running.spool.received_bytes
        found = await running.source.resolve(_ITEM)
    assert isinstance(found, Media)
    assert [one.location for one in found.inputs] == [_ITEM.locator]
    assert problem is not None
    assert "Large is larger than the spool, and can only be read when it is whole" in str(problem.full_message)
    assert received < _BOUND
