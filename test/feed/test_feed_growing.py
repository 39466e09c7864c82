"""A feed reads a file that is still being downloaded: it waits at the edge, and no frame is lost at an end that is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from stands.feeding import feed_of, item_of, play
from stands.numbered import Plan, make_clip
from stands.recording import skews
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


def _downloading(folder: Path, name: str, tmp_path: Path, *extra: str) -> Downloading:
    clip = make_clip(folder / name, _PLAN, extra=extra)
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
