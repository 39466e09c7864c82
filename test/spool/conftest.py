"""What the tests of the spool share: clips of a throttling site, and a spool that asks the real yt-dlp."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stands.numbered import Plan, make_clip
from stands.throttling_site import ThrottlingSite

NOISY = ("-vf", "noise=alls=24:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2M", "-g", "25")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbered clips of 8 s and some 2 MB: `first.mp4` to `third.mp4`, items 1 to 3, and `last.mp4` with its index last."""
    folder = tmp_path_factory.mktemp("throttled")
    for number, name in enumerate(("first", "second", "third"), start=1):
        plan = Plan(item_id=number, frames=200, encoder=(*NOISY, "-pix_fmt", "yuv420p"), flashes=(50, 150))
        make_clip(folder / f"{name}.mp4", plan, extra=("-movflags", "+faststart"))
    make_clip(folder / "last.mp4", Plan(item_id=4, frames=200, encoder=(*NOISY, "-pix_fmt", "yuv420p")))
    return folder


@pytest.fixture
def site(clips: Path) -> Iterator[ThrottlingSite]:
    """The site that serves them."""
    with ThrottlingSite(clips) as running:
        yield running
