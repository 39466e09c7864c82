"""A feed caches what it encodes, plays the cached encode afterwards, and returns to the source if that is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from stands.clips import make_dark
from stands.feeding import SMALL, Played, feed_of, item_of, play
from stands.numbered import Plan, make_clip
from stands.recording import frame_faults
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.errors import ResolveError, SourceGone, StreamerError, ToolBehind
from tg_video_streamer.events import Event, PictureFault, SourceFailed
from tg_video_streamer.feed.cache import FRESH_SECONDS
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput

FRAMES = 130


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Item 7: two whole groups of pictures and a short one."""
    return make_clip(tmp_path_factory.mktemp("cached") / "seven.mp4", Plan(item_id=7, frames=FRAMES, flashes=(25, 75)))


class LaterClock(SystemClock):
    """The system's, but for the date, which can be moved on."""

    later_seconds = 0.0

    def wall(self) -> float:
        """See Clock."""
        return super().wall() + self.later_seconds


@dataclass(kw_only=True)
class Source:
    """A web page with the clip behind it, which can fail; counts how often it was asked."""

    clip: Path
    asked: int = 0
    error: StreamerError | None = None

    async def resolve(self, item: Item) -> Media | Expansion:  # noqa: ARG002 - there is one item
        """What a resolver answers."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        inputs = (MediaInput(location=str(self.clip), is_file=True),)
        return Media(inputs=inputs, title="seven", source_id="site seven")


@dataclass(kw_only=True)
class Channel:
    """One item, its source and the library."""

    source: Source
    library: Library
    folder: Path
    clock: LaterClock
    ffmpeg: Path
    headers: CodecHeaders
    item: Item
    events: list[Event] = field(default_factory=list)

    def feed(self, *, start_seconds: float = 0.0, buffer_seconds: float = 15.0) -> Feed:
        """A new feed of the item; its events are in `events`."""
        self.events.clear()
        return feed_of(
            self.item,
            self.ffmpeg,
            headers=self.headers,
            resolve=self.source.resolve,
            events=self.events,
            start_seconds=start_seconds,
            buffer_seconds=buffer_seconds,
            library=self.library,
            clock=self.clock,
        )

    async def play(self, *, start_seconds: float = 0.0) -> Played:
        """The item, once."""
        return await play(self.feed(start_seconds=start_seconds))

    @property
    def encode(self) -> CachedEncode:
        """The only cached encode."""
        (encode,) = self.library.encodes()
        return encode


@pytest.fixture
def channel(clip: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> Iterator[Channel]:
    """With an empty library."""
    clock = LaterClock()
    library = Library(tmp_path / "library", max_bytes=10**9, floor_bytes=0, house=SMALL, headers=headers, clock=clock)
    library.open()
    yield Channel(
        source=Source(clip=clip),
        library=library,
        folder=tmp_path / "library",
        clock=clock,
        ffmpeg=ffmpeg,
        headers=headers,
        item=item_of("http://site.test/seven"),
    )
    library.close()


async def test_the_second_play_is_the_first_one_byte_for_byte(channel: Channel, tmp_path: Path) -> None:
    """A cached play has exactly the encoded packets, and needs neither the source nor ffmpeg."""
    first = await channel.play()
    assert channel.source.asked == 1
    second = await channel.play()
    assert channel.source.asked == 1
    # The time of the encoder's priming, which no viewer hears, is exact only where the sound after it is known.
    assert [one.data for one in second.packets] == [one.data for one in first.packets]
    assert [one for one in second.packets if one.ticks >= 0] == [one for one in first.packets if one.ticks >= 0]
    assert (second.feed.title, second.feed.duration_seconds) == ("seven", FRAMES / 25)
    recording = second.decoded(tmp_path, channel.headers)
    assert frame_faults(recording) == []
    assert [look.number for look in recording.looks] == list(range(FRAMES))
    assert (channel.library.misses, channel.library.hits) == (1, 1)


async def test_a_play_that_was_not_whole_is_not_cached(channel: Channel) -> None:
    """Neither an item that resumed in its middle nor one that was left early is cached."""
    await channel.play(start_seconds=2.0)
    assert channel.library.encodes() == []
    # The buffer has no room for the whole item, however late the player takes its packets.
    feed = channel.feed(buffer_seconds=2.0)

    def leave(frames: int) -> None:
        if frames == 10:
            feed.buffer.close()

    await play(feed, after=leave)
    assert channel.library.encodes() == []
    assert list(channel.folder.glob("*.part")) == []


@pytest.mark.parametrize(("start_seconds", "first"), [(1.0, 0), (2.9, 50), (3.2, 100), (5.1, 100), (99.0, 100)])
async def test_a_resume_begins_at_the_nearest_keyframe(channel: Channel, start_seconds: float, first: int) -> None:
    """From the library an item resumes within a second of the requested position."""
    await channel.play()
    resumed = await channel.play(start_seconds=start_seconds)
    assert [packet.ticks // 120 for packet in resumed.pictures] == list(range(first, FRAMES))
    assert resumed.pictures[0].keyframe


async def test_a_damaged_encode_is_continued_by_the_source(channel: Channel, tmp_path: Path) -> None:
    """At a wrong byte of a cached encode the source continues at that very frame; the encode is removed and made again."""
    await channel.play()
    path = channel.encode.path
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 0xFF]))
    again = await channel.play()
    recording = again.decoded(tmp_path, channel.headers)
    assert [look.number for look in recording.looks] == list(range(FRAMES))
    assert channel.source.asked == 2
    assert channel.library.encodes() == []
    await channel.play()
    assert channel.encode.frames == FRAMES


@pytest.mark.parametrize("error", [ResolveError("the site is down"), ToolBehind("no formats")])
async def test_a_source_that_does_not_answer_is_covered(channel: Channel, error: ResolveError) -> None:
    """While the site is down, or yt-dlp behind it, the cached encode plays whole; each play reports the failure once."""
    await channel.play()
    channel.source.error = error
    channel.clock.later_seconds = FRESH_SECONDS + 1
    played = await channel.play()
    assert len(played.pictures) == FRAMES
    assert [type(event) for event in channel.events] == [SourceFailed]
    channel.source.error = None
    await channel.play()
    assert channel.events == []
    asked = channel.source.asked
    await channel.play()
    assert channel.source.asked == asked


@pytest.mark.parametrize("keep_removed", [False, True])
async def test_a_source_that_was_removed_plays_on_only_where_that_is_wished(
    channel: Channel, *, keep_removed: bool
) -> None:
    """Once the source is gone, its cached encode does not go on air again, except with LIBRARY_KEEP_REMOVED."""
    await channel.play()
    channel.source.error = SourceGone("the video was removed")
    channel.clock.later_seconds = FRESH_SECONDS + 1
    channel.library.keep_removed = keep_removed
    await channel.play()
    played = await channel.play()
    assert len(played.pictures) == (FRAMES if keep_removed else 0)


async def test_a_file_is_looked_at_each_time(channel: Channel, clip: Path) -> None:
    """A file that has changed is played as it is now."""
    channel.item = item_of(clip)
    await channel.play()
    assert channel.source.asked == 1
    await channel.play()
    assert channel.source.asked == 2
    assert channel.library.hits == 1


async def test_what_is_wrong_with_the_picture_is_reported_at_each_play(channel: Channel, tmp_path: Path) -> None:
    """Black and silence of a cached encode are reported when they play, and not when they are skipped."""
    channel.item = item_of(make_dark(tmp_path / "dark.mkv"))
    channel.source.clip = tmp_path / "dark.mkv"

    def reported() -> list[tuple[str, bool]]:
        return sorted((one.fault, one.active) for one in channel.events if isinstance(one, PictureFault))

    await channel.play()
    first = reported()
    assert {("black", True), ("black", False), ("silent", True), ("silent", False)} <= set(first)
    await channel.play()
    assert channel.library.hits == 1
    assert reported() == first
    await channel.play(start_seconds=13.0)
    assert reported() == []


async def test_other_settings_make_another_copy(channel: Channel) -> None:
    """Each start, end and volume of a line has its own cached encode."""
    await channel.play()
    channel.item = replace(channel.item, volume=0.5)
    await channel.play()
    assert len(channel.library.encodes()) == 2


async def test_an_encode_that_is_removed_before_it_is_opened_is_no_failure(channel: Channel) -> None:
    """Where another one takes its place, or it is pruned, the item plays all the same, and no failure is reported."""
    await channel.play()
    known = channel.encode
    first = channel.feed()
    played = channel.library.played

    def played_too_late(encode: CachedEncode) -> None:
        _removed(channel, encode)
        played(encode)

    channel.library.played = played_too_late  # type: ignore[method-assign]  # between the answer and the opening
    again = await play(first, channel.events)
    assert len(again.pictures) == FRAMES
    assert channel.events == []
    assert first.cache_complete
    assert channel.encode.key == known.key


def _removed(channel: Channel, encode: CachedEncode) -> None:
    """As another channel of the same folder removes it."""
    other = Library(
        channel.folder, max_bytes=1, floor_bytes=0, house=SMALL, headers=channel.headers, clock=channel.clock
    )
    other.open()
    assert [one.key for one in other.prune().encodes] == [encode.key]
    other.close()
