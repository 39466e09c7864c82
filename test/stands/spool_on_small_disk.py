"""What a spool does on a disk that is full; run by `stands.small_disk`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from stands.spooling import spooling, url_item
from stands.throttling_site import ThrottlingSite
from tg_video_streamer.errors import SpoolError
from tg_video_streamer.resolve.media import Media
from tg_video_streamer.spool.state import SpoolState

CLIP_BYTES = 2_500_000


def fill(folder: Path) -> None:
    """Two items are wanted; the disk of 4 MB holds one."""
    asyncio.run(_fill(folder))


async def _fill(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as clips, ThrottlingSite(Path(clips)) as site:
        for name in ("one.mp4", "two.mp4"):
            (site.folder / name).write_bytes(bytes(range(250)) * (CLIP_BYTES // 250))
        one, two = url_item(site.url("one.mp4")), url_item(site.url("two.mp4"))
        async with spooling(folder, wanted=[one, two]) as running:
            await running.until(lambda: running.state(two) is SpoolState.FAILED, seconds=90)
            assert running.state(one) is SpoolState.WHOLE
            assert isinstance(running.spool.problem, SpoolError)
            assert running.spool.problem.remedy
            direct = await running.source.resolve(two)
            assert isinstance(direct, Media)
            assert [part.location for part in direct.inputs] == [two.locator]
            await running.until(lambda: len(list(running.folder.iterdir())) == 1)
            local = await running.source.resolve(one)
            assert isinstance(local, Media)
            assert local.is_file
