"""A file that is still being copied or recorded is waited for; what cannot start is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from stands.feeding import feed_of, item_of, play
from stands.ffmpegs import each_ffmpeg
from stands.numbered import Plan, make_clip
from tg_video_streamer.errors import SourceUnfinished
from tg_video_streamer.events import Event, SourceFailed
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.files import resolve_file
from tg_video_streamer.resolve.media import Expansion, Media

FRAMES = 75


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three numbered seconds, as an MP4 with its index last."""
    return make_clip(tmp_path_factory.mktemp("unfinished") / "clip.mp4", Plan(item_id=7, frames=FRAMES))


def content(path: Path) -> bytes:
    """All bytes of a file."""
    return path.read_bytes()


async def resolve(item: Item) -> Media | Expansion:
    """As the service does for files."""
    return resolve_file(item, AllowedFolders.of(("/",)))


async def test_a_file_that_is_copied_is_waited_for(
    clip: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """While a copy is under way the file is named and nothing has failed; once it is whole it plays whole."""
    data = content(clip)
    copy = tmp_path / "copy.mp4"
    events: list[Event] = []
    with copy.open("wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        feed = feed_of(item_of(copy), ffmpeg, headers=headers, resolve=resolve, events=events)
        played = await play(feed, events)
        assert (feed.state, played.packets) == (FeedState.FAILED, ())
        assert isinstance(feed.last_error, SourceUnfinished)
        assert "copy.mp4" in str(feed.last_error)
        assert not [event for event in events if isinstance(event, SourceFailed)]
        file.write(data[len(data) // 2 :])
    feed = feed_of(item_of(copy), ffmpeg, headers=headers, resolve=resolve)
    played = await play(feed)
    assert [look.number for look in played.decoded(tmp_path, headers).looks] == list(range(FRAMES))


async def test_an_mp4_without_its_index_is_waited_for(
    clip: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A recording whose index comes last is waited for, also while its writer rests for a moment."""
    data = content(clip)
    copy = tmp_path / "recording.mp4"
    copy.write_bytes(data[: data.rindex(b"moov") - 4])
    events: list[Event] = []
    feed = feed_of(item_of(copy), ffmpeg, headers=headers, resolve=resolve, events=events)
    await play(feed, events)
    assert isinstance(feed.last_error, SourceUnfinished)
    assert not [event for event in events if isinstance(event, SourceFailed)]


async def test_a_start_behind_the_end_is_named(clip: Path, ffmpeg: Path, headers: CodecHeaders) -> None:
    """A line whose start= is behind the end of its file fails at once, with the file's length."""
    feed = feed_of(item_of(clip, start_seconds=90.0), ffmpeg, headers=headers, resolve=resolve)
    await play(feed)
    assert feed.state is FeedState.FAILED
    assert "1:30" in str(feed.last_error)
    assert "0:03" in str(feed.last_error)


@pytest.mark.parametrize("program", each_ffmpeg())
async def test_a_name_that_is_not_utf8_plays(program: Path, clip: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """A file whose name is not UTF-8, found in its folder, plays under a title that can be written anywhere."""
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(clip, folder / os.fsdecode(b"caf\xe9.mp4"))
    expansion = await resolve(item_of(folder))
    assert isinstance(expansion, Expansion)
    feed = feed_of(expansion.children[0], program, headers=headers, resolve=resolve)
    played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    assert feed.title == "café"
    assert [look.number for look in played.decoded(tmp_path, headers).looks] == list(range(FRAMES))
