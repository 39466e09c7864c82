"""Items of a site that throttles, dies, breaks off and is slow: viewers see each of them whole, and no slate between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from stands.channel import Channel, Record, on_air
from stands.numbered import Plan, make_clip
from stands.throttling_site import ThrottlingSite

_NOISY = ("-vf", "noise=alls=24:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2M", "-g", "25")
_FRAMES = 200
_ITEMS = 10


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten clips at 720p of 8 s and 2 MB: read as they play, each would take some 45 s to come."""
    folder = tmp_path_factory.mktemp("throttled")
    for number in range(1, _ITEMS + 1):
        plan = Plan(item_id=number, frames=_FRAMES, encoder=(*_NOISY, "-pix_fmt", "yuv420p"))
        make_clip(folder / f"clip-{number:02}.mp4", plan, extra=("-movflags", "+faststart"))
    return folder


def _play_all(folder: Path, media: Path, site: ThrottlingSite, names: Sequence[str]) -> tuple[Channel, Record]:
    """All items once, after a local one that gives the first download its time; what viewers saw of them."""
    lines = [media / "long.mp4", *map(site.page_url, names)]
    with on_air(folder, media, lines=lines, LOOP="0", SPOOL_MAX_GB="1") as channel:
        service = channel.service
        service.wait_for(lambda status: status["now"] is not None, what="the first item")
        service.wait_for(
            lambda _: len(list((service.state_dir / "spool").glob("*/0.mp4"))) >= 1, what="the first download"
        )
        channel.ask("skip")
        service.wait_for(lambda status: status["streams_played"] == len(names) + 1, timeout=240, what="all have begun")
        channel.wait_state("on_slate")
        assert service.stop() == 0
        return channel, channel.aired()


def _assert_unbroken(record: Record, names: Sequence[str]) -> None:
    expected = [int(name[5:7]) for name in names]
    stretches = [one for one in record.stretches if one.item_id != 5]
    assert [one.item_id for one in stretches][-len(expected) - 1 : -1] == expected, record.items
    assert all(one.numbers == list(range(_FRAMES)) for one in stretches if one.item_id in expected)
    assert record.faults == []


def test_items_of_a_throttling_site_follow_one_another(media: Path, clips: Path, tmp_path: Path) -> None:
    """Items of a site that gives 40 kB/s to a player are aired one after the other without a frame of slate between."""
    names = [f"clip-{number:02}.mp4" for number in (1, 2, 3)]
    with ThrottlingSite(clips) as site:
        channel, record = _play_all(tmp_path, media, site, names)
    _assert_unbroken(record, names)
    assert "warning" not in channel.service.log.lower(), channel.service.log
