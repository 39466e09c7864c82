"""A prepared item has the house loudness and no peak above -1.5 dBTP, measured by ffmpeg in its cached encode."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from stands.feeding import SMALL, feed_of, item_of
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.feed.prepare import PrepareResult, prepare_item
from tg_video_streamer.feed.probe.leveling import Loudness, find_level
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.ffmpeg.source import Level
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Media, MediaInput

SOUNDS = {
    # As loud and as clipped as records come: square waves full of overshoots between the samples.
    "hot": "aevalsrc='0.98*sgn(sin(2*PI*997*t)+0.6*sin(2*PI*3301*t)+0.4*random(0)-0.2)':s=44100:d=12",
    # Far too quiet, with peaks 30 dB above it: the gain that it needs drives them over the limit.
    "quiet with peaks": "aevalsrc='0.015*sin(2*PI*220*t)+0.6*lt(mod(t,0.5),0.004)*sin(2*PI*1800*t)':s=48000:d=12",
    "speech": "aevalsrc='0.2*sin(2*PI*180*t)*(0.6+0.4*sin(2*PI*3*t))+0.05*(random(0)-0.5)':s=48000:d=12",
}


@pytest.mark.parametrize("sound", ["hot", "quiet with peaks", pytest.param("speech", marks=pytest.mark.long)])
async def test_prepared_sound_has_house_loudness_and_peak(
    sound: str, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """-16 LUFS within half a unit, and no true peak above -1.5 dBTP, whatever the source is like."""
    source = made(SOUNDS[sound], tmp_path / "source.mkv", ffmpeg)
    library = Library(
        tmp_path / "library", max_bytes=10**9, floor_bytes=0, house=SMALL, headers=headers, clock=SystemClock()
    )
    library.open()

    async def resolve(item: Item) -> Media:
        return Media(inputs=(MediaInput(location=item.locator, is_file=True),), source_id="source", title="source")

    async def preparing(item: Item) -> Feed:
        return feed_of(item, ffmpeg, headers=headers, resolve=resolve, library=library, mode=FeedMode.PREPARING)

    assert (await prepare_item(item_of(source), preparing)).result is PrepareResult.CACHED
    (encode,) = library.encodes()
    library.close()
    loudness, peak = measured(encode.path, ffmpeg)
    assert abs(loudness + 16.0) <= 0.5
    assert peak <= -1.5


def made(sound: str, path: Path, ffmpeg: Path) -> Path:
    """A clip with this sound."""
    command = [str(ffmpeg), "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=gray:s=160x90:r=25:d=12"]
    command += ["-f", "lavfi", "-i", sound, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le"]
    subprocess.run([*command, str(path)], check=True, timeout=120)
    return path


def measured(path: Path, ffmpeg: Path) -> tuple[float, float]:
    """Integrated loudness and true peak, by the summary of ffmpeg's own meter."""
    command = [
        str(ffmpeg),
        "-nostdin",
        "-hide_banner",
        "-i",
        str(path),
        "-vn",
        "-af",
        "ebur128=peak=true",
        "-f",
        "null",
    ]
    done = subprocess.run([*command, "-"], capture_output=True, text=True, check=True, timeout=120)
    summary = done.stderr.rpartition("Summary:")[2]
    loudness = re.search(r"I:\s+(-?[\d.]+) LUFS", summary)
    peak = re.search(r"Peak:\s+(-?[\d.]+) dBFS", summary)
    assert loudness is not None, done.stderr[-2000:]
    assert peak is not None, summary
    return float(loudness[1]), float(peak[1])


def test_what_has_room_for_its_gain_is_not_tried() -> None:
    """One gain and no limiter if no codec could bring a peak over the limit."""
    level = find_level(lambda _: pytest.fail("tried"), Loudness(lufs=-10.0, peak_decibels=0.3), -16.0)
    assert level == Level(gain_decibels=-6.0)


def test_where_both_cannot_be_had_the_peak_counts() -> None:
    """An item that no gain brings to the loudness comes out quieter, never with higher peaks."""

    def measured(level: Level) -> Loudness:
        limit = 99.0 if level.limit_decibels is None else level.limit_decibels
        return Loudness(lufs=min(-40.0 + level.gain_decibels, limit - 25.0), peak_decibels=limit + 0.8)

    level = find_level(measured, Loudness(lufs=-40.0, peak_decibels=-3.0), -16.0)
    assert measured(level).peak_decibels <= -1.5
