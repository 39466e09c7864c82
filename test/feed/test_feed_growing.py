"""A feed reads a file that is still being downloaded: it waits at the edge, and no frame is lost at an end that is none."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from stands.feeding import feed_of, item_of, play
from stands.numbered import Plan, make_clip
from stands.recording import skews
from tg_video_streamer.feed.growing_skip import skip_to
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.growing import GrowingFile, GrowthState
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput

_FRAMES = 150
_PLAN = Plan(
    item_id=8,
    frames=_FRAMES,
    flashes=(25, 75, 125),
    encoder=("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "1M", "-g", "25", "-pix_fmt", "yuv420p"),
)


@dataclass(kw_only=True)
class Downloading:
    """A file that grows as the test says."""

    clip: bytes
    growing: GrowingFile

    def reach(self, part: float) -> None:
        """It holds this part of the clip now."""
        size = round(len(self.clip) * part)
        self.growing.path.write_bytes(self.clip[:size])
        self.growing.grown(size)
        if part >= 1:
            self.growing.end(GrowthState.WHOLE)

    async def resolve(self, _item: Item) -> Media | Expansion:
        """The file as it is now."""
        one = MediaInput(
            location=str(self.growing.path),
            is_file=True,
            growing=None if self.growing.state is GrowthState.WHOLE else self.growing,
        )
        return Media(inputs=(one,), title="growing")


def _downloading(folder: Path, name: str, tmp_path: Path, *extra: str, plan: Plan = _PLAN) -> Downloading:
    clip = make_clip(folder / name, plan, extra=extra)
    return Downloading(clip=clip.read_bytes(), growing=GrowingFile(tmp_path / name))


@pytest.mark.parametrize(("name", "first"), [("faststart.mp4", 0.5), ("film.mkv", 0.5), ("film.ts", 0.9)])
async def test_a_growing_file_plays_to_its_real_end(
    name: str, first: float, clips: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Every frame of a file that grows while it plays comes out once, in step with its sound.

    `first`: how much of it is there at the start; ffmpeg looks through 5 s of MPEG-TS before it begins.
    """
    extra = ("-movflags", "+faststart") if name.endswith("mp4") else ()
    file = _downloading(clips, name, tmp_path, *extra)
    file.reach(first)

    def grow(frames: int) -> None:
        if frames == 20:
            file.reach(max(first, 0.7))
        elif frames == 80:
            file.reach(1)

    feed = feed_of(item_of("http://127.0.0.1:9/none"), each_ffmpeg, headers=headers, resolve=file.resolve)
    played = await play(feed, after=grow)
    assert feed.state is FeedState.ENDED, feed.last_error
    assert feed.last_error is None
    recording = played.decoded(tmp_path, headers)
    assert recording.numbers(8) == list(range(_FRAMES))
    assert max(map(abs, skews(recording))) < 0.05


_FILLED = ("-x264-params", "nal-hrd=cbr", *("-b:v", "3M", "-minrate", "3M", "-maxrate", "3M", "-bufsize", "1M"))
"""Padded to 375 kB a second, so that nothing can be seeked within ffmpeg's own buffers."""
_LONG_FRAMES = 1000
_LONG = replace(
    _PLAN,
    frames=_LONG_FRAMES,
    flashes=tuple(range(25, _LONG_FRAMES, 100)),
    encoder=("-c:v", "libx264", "-preset", "ultrafast", *_FILLED, "-g", "120", "-pix_fmt", "yuv420p"),
)


@pytest.mark.parametrize("name", ["faststart.mp4", "film.mkv", "film.ts"])
async def test_an_encoder_that_dies_far_into_a_growing_file_costs_no_frame(
    name: str, clips: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """The file that still grows is read again through a pipe, and every frame comes out once and in order."""
    extra = ("-movflags", "+faststart") if name.endswith("mp4") else ()
    file = _downloading(clips, f"long-{name}", tmp_path, *extra, plan=_LONG)
    file.reach(0.95)
    left_out = skip_to(file.growing, 32)
    assert (left_out is not None) == name.endswith("mkv")

    def after(frames: int) -> None:
        if frames == 800:
            for child in psutil.Process().children():
                if child.name().startswith("ffmpeg"):
                    os.kill(child.pid, signal.SIGKILL)
        elif frames == 830:
            file.reach(1)

    feed = feed_of(
        item_of("http://127.0.0.1:9/none"), each_ffmpeg, headers=headers, resolve=file.resolve, buffer_seconds=1
    )
    played = await play(feed, after=after)
    assert feed.state is FeedState.ENDED, feed.last_error
    recording = played.decoded(tmp_path, headers)
    assert recording.numbers(8) == list(range(_LONG_FRAMES))
    assert max(map(abs, skews(recording))) < 0.05


def test_what_a_second_reading_leaves_out(clips: Path, tmp_path: Path) -> None:
    """Of a Matroska file that has played for a while its beginning and the last 20 s come again, also behind a window."""
    file = _downloading(clips, "long-film.mkv", tmp_path, plan=_LONG)
    file.reach(0.95)
    skip = skip_to(file.growing, 33)
    assert skip is not None
    sent = file.clip[: skip.keep_to], file.clip[skip.begin_at :]
    assert all(part.startswith((b"\x1a\x45\xdf\xa3", b"\x1f\x43\xb6\x75")) for part in sent)
    assert skip_to(file.growing, 20) is None
    holed = bytearray(file.clip)
    hole = slice(skip.begin_at + 1000, skip.begin_at + 4_000_000)
    holed[hole] = bytes(hole.stop - hole.start)
    file.growing.path.write_bytes(holed)
    file.growing.dropped_to = hole.stop
    behind = skip_to(file.growing, 33)
    assert behind is not None
    assert behind.keep_to == skip.keep_to
    assert behind.begin_at >= hole.stop
    assert file.clip[behind.begin_at :].startswith(b"\x1f\x43\xb6\x75")


async def test_a_download_that_ends_early_costs_no_frame(
    clips: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A download that is given up ends the attempt, not the item: the rest comes from where the next answer says."""
    file = _downloading(clips, "faststart.mp4", tmp_path, "-movflags", "+faststart")
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(file.clip)
    file.reach(0.6)

    async def resolve(item: Item) -> Media | Expansion:
        if file.growing.state is GrowthState.GROWING:
            return await file.resolve(item)
        return Media(inputs=(MediaInput(location=str(whole), is_file=True),), title="whole")

    feed = feed_of(item_of("http://127.0.0.1:9/none"), ffmpeg, headers=headers, resolve=resolve)
    played = await play(feed, after=_at(30, lambda: file.growing.end(GrowthState.BROKEN)))
    assert feed.state is FeedState.ENDED, feed.last_error
    assert played.decoded(tmp_path, headers).numbers(8) == list(range(_FRAMES))


def _at(frame: int, do: Callable[[], None]) -> Callable[[int], None]:
    def after(frames: int) -> None:
        if frames == frame:
            do()

    return after
