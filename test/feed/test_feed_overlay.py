"""The overlay of an item: its logo, its title for a while, and the time at which each frame is on air."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stands.feeding import Played, feed_of, item_of, play, write_packets
from stands.house import RATE, house_of
from stands.numbered import Plan, make_clip
from stands.program import encode_clip
from stands.recording import luma_of
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.feed.overlay.branding import Branding, OverlaySettings
from tg_video_streamer.feed.overlay.overlay import Overlay
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import CodecHeaders, seconds
from tg_video_streamer.resolve.media import Media, MediaInput

FRAMES = 240
HOUSE = house_of("480p", "-preset", "ultrafast")
"""Large enough for words to be measured."""
LOGO = (slice(24, 76), slice(760, 829))
CAPTION = (slice(420, 456), slice(24, 200))
CLOCK = (slice(24, 50), slice(24, 92))
ELSEWHERE = (slice(230, 400), slice(0, 854))
EIGHT_SECONDS_BEFORE_A_MINUTE = 1764166192.0
RED = (200, 30, 60)


class AirClock(SystemClock):
    """The time at which the frame that was taken last would be on air, had the item begun at `begin`."""

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.buffer = Buffer(RATE, limit_seconds=1.0)

    def wall(self) -> float:
        """See Clock."""
        return self.begin + seconds(self.buffer.taken_ticks)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The decoded frames of a feed."""

    luma: list[NDArray[Any]]
    colours: list[NDArray[Any]]
    """RGB of the frames 0, 100, 200."""


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> CodecHeaders:
    """The program's codec headers at this size."""
    return encode_clip(tmp_path_factory.mktemp("headers"), HOUSE, seconds=1).headers


@pytest.fixture(scope="module")
def plain(clip: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """The clip with nothing on it."""
    played = asyncio.run(_played(clip, ffmpeg, headers, OverlaySettings()))
    return _pictures(tmp_path_factory.mktemp("plain"), played, headers)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine numbered seconds and a bit."""
    return make_clip(tmp_path_factory.mktemp("worn") / "clip.mp4", Plan(item_id=3, frames=FRAMES))


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A red disc in a transparent frame."""
    return _logo(tmp_path_factory.mktemp("logo") / "100%: it's [a] logo.png", RED)


def _logo(path: Path, colour: tuple[int, int, int]) -> Path:
    picture = Image.new("RGBA", (400, 300))
    picture.paste((*colour, 255), (40, 30, 360, 270))
    picture.save(path)
    return path


async def _played(
    clip: Path, ffmpeg: Path, headers: CodecHeaders, wishes: OverlaySettings, *, begin: float = 0.0
) -> Played:
    branding = Branding(wishes, house=HOUSE, ffmpeg=ffmpeg)
    clock = AirClock(begin)
    feed = feed_of(
        item_of(clip, title="It's 100% so: [a];"),
        ffmpeg,
        headers=headers,
        house=HOUSE,
        overlay=branding.choose,
        clock=clock,
    )
    feed.air_time.eta = lambda: 0.0
    clock.buffer = feed.buffer
    played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    assert branding.problems == []
    return played


def _pictures(folder: Path, played: Played, headers: CodecHeaders) -> Pictures:
    path = folder / "worn.mkv"
    write_packets(path, played.packets, headers)
    luma, colours = [], []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            luma.append(luma_of(frame).astype(int))
            if number % 100 == 0:
                colours.append(frame.to_ndarray(format="rgb24").astype(int))
    return Pictures(luma=luma, colours=colours)


def _change(one: NDArray[Any], other: NDArray[Any], box: tuple[slice, slice]) -> float:
    return float(np.abs(one[box] - other[box]).mean())


async def test_viewers_see_what_was_asked_for(
    each_ffmpeg: Path, clip: Path, plain: Pictures, logo: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """The logo stays in its colors, the title fades in and out, the minute changes on its frame; the rest is unchanged."""
    wishes = OverlaySettings(logo=logo, clock=True, now_playing=True)
    played = await _played(clip, each_ffmpeg, headers, wishes, begin=EIGHT_SECONDS_BEFORE_A_MINUTE)
    worn = _pictures(tmp_path, played, headers)
    assert len(plain.luma) == len(worn.luma) == FRAMES
    for before, after in zip(plain.colours, worn.colours, strict=True):
        assert np.abs(after[LOGO].mean(axis=(0, 1)) - RED).max() < 8
        assert np.abs(after[ELSEWHERE] - before[ELSEWHERE]).mean() < 2
    written = [_change(one, two, CAPTION) for one, two in zip(plain.luma, worn.luma, strict=True)]
    assert max(written[:24]) < 2
    assert written[25] < written[32] / 2 < written[40] / 3
    assert min(written[46:200]) > 0.9 * max(written)
    assert max(written[228:]) < 2
    turned = [_change(worn.luma[at - 1], worn.luma[at], CLOCK) for at in range(1, FRAMES)]
    assert abs(turned.index(max(turned)) + 1 - 200) <= 12
    assert _change(worn.luma[100], worn.luma[190], CLOCK) < 2 < _change(worn.luma[190], worn.luma[230], CLOCK)
    assert _change(plain.luma[100], worn.luma[100], CLOCK) > 10


@pytest.mark.long
async def test_only_the_rest_of_a_title_is_shown_after_a_break(
    ffmpeg: Path, clip: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A source that broke off and continues does not show its title again, and the clock stays right to the minute."""
    branding = Branding(OverlaySettings(now_playing=True), house=HOUSE, ffmpeg=ffmpeg)
    feed = feed_of(
        item_of(clip, title="A title"),
        ffmpeg,
        headers=headers,
        house=HOUSE,
        overlay=branding.choose,
        buffer_seconds=2.0,
    )
    killed: list[int] = []

    def kill(frames: int) -> None:
        if frames == 60 and not killed:
            killed.extend(_kill_ffmpeg())

    played = await play(feed, after=kill)
    assert killed
    assert feed.state is FeedState.ENDED
    pictures = _pictures(tmp_path, played, headers)
    level = [float(one[CAPTION].mean()) for one in pictures.luma]
    assert len(level) == FRAMES
    assert max(level[50:195]) - min(level[50:195]) < 4, "it is there all the time, and does not fade in again"
    assert abs(level[-1] - level[0]) < 2 < abs(level[100] - level[0])


def _kill_ffmpeg() -> Iterator[int]:
    import psutil  # noqa: PLC0415 - for one test

    for child in psutil.Process().children(recursive=True):
        if "ffmpeg" in child.name():
            child.kill()
            yield child.pid


async def test_a_bad_logo_is_told_and_harms_nothing(logo: Path, tmp_path: Path, ffmpeg: Path) -> None:
    """A bad logo is left out with the reason; once the file is valid, the next item shows it and the reason is gone."""
    bad, whole = tmp_path / "logo.png", logo.read_bytes()  # noqa: ASYNC240 - nothing else runs
    bad.write_bytes(whole[:60])
    branding = Branding(OverlaySettings(logo=bad, clock=True), house=HOUSE, ffmpeg=ffmpeg)
    shown = await branding.choose()
    assert (shown.logo, shown.clock_font is None) == (None, False)
    assert [str(one).partition(":")[0] for one in branding.problems] == ["LOGO"]
    bad.write_bytes(whole)
    first = await branding.choose()
    assert first.logo is not None
    assert branding.problems == []
    elsewhere = Branding(OverlaySettings(logo=logo), house=HOUSE, ffmpeg=ffmpeg)
    assert (await elsewhere.choose()).logo_digest == first.logo_digest, "by content, not by path"
    _logo(bad, (1, 2, 3))
    assert (await branding.choose()).logo_digest not in {"", first.logo_digest}
    assert branding.change(OverlaySettings(logo=tmp_path / "away.png"))
    assert (await branding.choose()).logo is None
    assert "No such file" in str(branding.problems[0])


async def test_an_ffmpeg_that_draws_no_words_shows_no_clock(tmp_path: Path) -> None:
    """The clock is left out with a reason, and the items play."""
    poor = tmp_path / "ffmpeg"
    poor.write_text("#!/bin/sh\necho \"No such filter: 'drawtext'\" >&2\nexit 8\n")
    poor.chmod(0o755)
    branding = Branding(OverlaySettings(clock=True), house=HOUSE, ffmpeg=poor)
    assert await branding.choose() == Overlay()
    (problem,) = branding.problems
    assert "this ffmpeg cannot draw a clock: No such filter: 'drawtext'" in str(problem)


async def test_a_copy_is_of_one_logo(
    ffmpeg: Path, clip: Path, logo: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """An encode cached with one logo is not played with another, and is used again when the first logo is back."""
    library = Library(
        tmp_path / "cached", max_bytes=10**9, floor_bytes=0, house=HOUSE, headers=headers, clock=SystemClock()
    )
    library.open()
    blue = _logo(tmp_path / "blue.png", (10, 20, 250))
    item = item_of(clip, end_seconds=1.0)

    async def resolve(_: object) -> Media:
        return Media(inputs=(MediaInput(location=str(clip), is_file=True),), title="worn", source_id="site one")

    encodes = []
    for path in (logo, blue, logo):
        overlay = Branding(OverlaySettings(logo=path), house=HOUSE, ffmpeg=ffmpeg).choose
        feed = feed_of(item, ffmpeg, headers=headers, house=HOUSE, resolve=resolve, library=library, overlay=overlay)
        await play(feed)
        encodes.append(feed.plays_cached)
    assert encodes == [False, False, True]
    assert library.items == 2
    library.close()
