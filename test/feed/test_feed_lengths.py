"""A stated or estimated length is a hint: only the end of the data ends an item."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stands.feeding import SMALL, feed_of, item_of, play, resolve_simply
from stands.ffmpegs import each_ffmpeg
from stands.house import FRAMES_PER_SECOND
from stands.made import identity, made_once
from stands.site import Site
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.feed.prepare import PrepareResult, prepare_item
from tg_video_streamer.feed.state import FeedMode, FeedState
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput

NOISE_SECONDS = 4
WHOLE_SECONDS = 20
SLACK_SECONDS = 0.3
CODERS = {"mp3": ("-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0"), "aac": ("-c:a", "aac", "-q:a", "2")}


def dense_first(kind: str, folder: Path) -> Path:
    """Sound whose first part takes most of the bits: from its bit rate a probe guesses half of its length."""

    def make(path: Path) -> None:
        noise = f"anoisesrc=r=48000:d={NOISE_SECONDS}:a=0.5,aformat=channel_layouts=stereo[n]"
        tone = f"sine=f=440:r=48000:d={WHOLE_SECONDS - NOISE_SECONDS},volume=0.5,aformat=channel_layouts=stereo[t]"
        graph = f"{noise};{tone};[n][t]concat=n=2:v=0:a=1"
        command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-filter_complex", graph, *CODERS[kind], str(path)]
        subprocess.run(command, check=True)

    return made_once(folder / f"dense-first.{kind}", make, "dense first", *identity("ffmpeg"), WHOLE_SECONDS)


@pytest.fixture
def library(headers: CodecHeaders, tmp_path: Path) -> Iterator[Library]:
    """An empty library."""
    folder = tmp_path / "library"
    library = Library(folder, max_bytes=10**9, floor_bytes=0, house=SMALL, headers=headers, clock=SystemClock())
    library.open()
    yield library
    library.close()


@pytest.mark.parametrize("program", each_ffmpeg())
@pytest.mark.parametrize("kind", CODERS)
async def test_an_estimated_length_cuts_nothing(
    kind: str, program: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Sound that a probe takes for half as long is heard to its last second."""
    feed = feed_of(item_of(dense_first(kind, tmp_path)), program, headers=headers)
    played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    assert len(played.pictures) / FRAMES_PER_SECOND == pytest.approx(WHOLE_SECONDS, abs=SLACK_SECONDS)
    recording = played.decoded(tmp_path, headers)
    last_second = recording.samples[0][(WHOLE_SECONDS - 1) * 48000 : WHOLE_SECONDS * 48000 - 9600]
    assert abs(last_second).max() > 0.01


async def test_what_is_cached_is_whole(library: Library, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """The cached encode of such a file is as long as the file."""
    clip = dense_first("mp3", tmp_path)

    async def resolve(item: Item) -> Media | Expansion:
        inputs = (MediaInput(location=item.locator, is_file=True),)
        return Media(inputs=inputs, title="dense", source_id="dense")

    async def make(item: Item) -> object:
        mode = FeedMode.PREPARING
        return feed_of(item, ffmpeg, headers=headers, resolve=resolve, library=library, mode=mode)

    done = await prepare_item(item_of(clip), make)  # type: ignore[arg-type]  # a feed
    assert done.result is PrepareResult.CACHED, done.error
    (encode,) = library.encodes()
    assert encode.seconds == pytest.approx(WHOLE_SECONDS, abs=SLACK_SECONDS)


@pytest.mark.parametrize("stated_seconds", [5.0, pytest.param(300.0, marks=pytest.mark.long)])
async def test_a_wrong_length_of_a_site_neither_cuts_nor_fails(
    stated_seconds: float, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A site that states a wrong length costs nothing: the item plays to the end of its data, and ends."""

    async def resolve(item: Item) -> Media | Expansion:
        found = await resolve_simply(item)
        assert isinstance(found, Media)
        return Media(inputs=found.inputs, title="dense", duration_seconds=stated_seconds)

    with Site() as site:
        site.file("/dense.mp3", dense_first("mp3", tmp_path))
        feed = feed_of(item_of(site.url("/dense.mp3")), ffmpeg, headers=headers, resolve=resolve)
        played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    assert len(played.pictures) / FRAMES_PER_SECOND == pytest.approx(WHOLE_SECONDS, abs=SLACK_SECONDS)
