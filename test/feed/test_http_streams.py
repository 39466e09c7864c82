"""Streams over HTTP without a length: what is whole ends, what is endless lives by reconnecting, and jumps are followed."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from feed.test_live_feeds import play_frames
from stands.begins_again import BeginsAgain
from stands.feeding import feed_of, item_of, play, resolve_simply
from stands.file_server import file_server
from stands.numbered import Plan, any_ffmpeg, make_clip
from stands.radio import Radio
from stands.site import Site
from tg_video_streamer.backoff import Backoff
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.media import CodecHeaders, Kind, Packet
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.http_stream import checked_direct
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput, Resolve

SHORT = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p")


async def resolve_direct(item: Item) -> Media | Expansion:
    """A direct link, checked as the resolver checks it."""
    found = Media(inputs=(MediaInput(location=item.locator, is_file=False),), title="direct", source_id="url 1")
    return await checked_direct(found, public_only=item.public_only)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of this module."""
    return tmp_path_factory.mktemp("http")


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    """Five numbered seconds in an MPEG-TS, and in an MP4 in the same folder."""
    path = make_clip(folder / "clip.ts", Plan(item_id=4, frames=125, encoder=SHORT, audio_encoder=("-c:a", "mp2")))
    command = [any_ffmpeg(), "-v", "error", "-y", "-i", str(path), "-c:v", "copy", "-c:a", "aac"]
    subprocess.run([*command, "-movflags", "+faststart", str(folder / "clip.mp4")], check=True)
    return path


@pytest.fixture(scope="module")
def song(folder: Path) -> Path:
    """Forty seconds of a tone in an MP3, without a header that states its length."""
    path = folder / "song.mp3"
    command = [any_ffmpeg(), "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "sine=f=440:r=44100:d=40"]
    subprocess.run([*command, "-b:a", "96k", "-write_xing", "0", "-id3v2_version", "0", str(path)], check=True)
    return path


@pytest.mark.parametrize(
    ("suffix", "kind"), [("mp4", "video/mp4"), ("ts", "video/mp2t"), ("ts", "application/octet-stream")]
)
async def test_a_clip_without_a_length_plays_once(
    suffix: str, kind: str, clip: Path, folder: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A server that states no length and closes at the end has sent the whole: every picture once, a handful of requests."""
    file = clip if suffix == "ts" else folder / "clip.mp4"
    with BeginsAgain(file, kind) as server:
        feed = feed_of(
            item_of(f"http://127.0.0.1:{server.server_address[1]}/clip"),
            each_ffmpeg,
            headers=headers,
            resolve=resolve_direct,
        )
        played = await play(feed)
        server.shutdown()
    assert feed.state is FeedState.ENDED, feed.last_error
    assert played.decoded(tmp_path, headers).numbers(4) == list(range(125))
    assert server.count <= 6


@pytest.mark.parametrize("resolve", [resolve_direct, resolve_simply], ids=["checked", "read"])
async def test_an_index_at_the_end_is_named_where_no_part_can_be_had(
    resolve: Resolve, folder: Path, ffmpeg: Path, headers: CodecHeaders
) -> None:
    """An MP4 with its index last plays from a server that sends parts; where none are sent, the reason and a remedy are said."""
    noise = ("-vf", "noise=alls=60:allf=t", *SHORT, "-b:v", "8M")
    clip = make_clip(folder / "last.mp4", Plan(item_id=5, frames=50, encoder=noise))
    assert clip.stat().st_size > 1_000_000
    with file_server(folder) as server:
        feeds = []
        for server.sends_parts in (True, False):
            feeds.append(feed_of(item_of(server.url("last.mp4")), ffmpeg, headers=headers, resolve=resolve))
            await play(feeds[-1])
    assert feeds[0].last_error is None
    assert feeds[1].last_error is not None
    assert feeds[1].last_error.message.key == "probe.index_last"
    assert "SPOOL_MAX_GB" in feeds[1].last_error.remedy


async def test_endless_television_lives_by_reconnecting(
    clip: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """An MPEG-TS without a length that is cut is joined again at its present, and is no file that has ended."""
    with Radio(clip, seconds=5.0, kind="video/mp2t", icy=False, burst=3.0) as station:
        feed = feed_of(item_of(station.url), each_ffmpeg, headers=headers, resolve=resolve_direct, buffer_seconds=3)
        taken = 0

        def cut(packet: Packet) -> None:
            nonlocal taken
            taken += packet.kind is Kind.VIDEO
            if taken in {50, 150}:
                station.drop()
                taken += 1

        played = await play_frames(feed, 300, after=cut)
    assert len(played.pictures) == 300, feed.last_error
    assert len(station.requests) >= 3
    assert feed.is_live
    assert len(played.decoded(tmp_path, headers).numbers(4)) > 200


@pytest.mark.long
async def test_a_radio_that_is_gone_is_given_up_after_growing_pauses(
    song: Path, ffmpeg: Path, headers: CodecHeaders
) -> None:
    """A radio that closes at once each time is asked a few times, each pause longer than the one before, and then failed."""
    with Radio(song, seconds=40.0) as radio:
        radio.closes_after_bytes = 30_000
        feed = feed_of(item_of(radio.url), ffmpeg, headers=headers, resolve=resolve_direct)
        feed.retry_pauses = Backoff(first=0.1, longest=3.0)
        await play(feed)
    assert feed.state is FeedState.FAILED
    assert 8 <= len(radio.requests) <= 20


async def test_titles_of_a_radio_become_now_playing(song: Path, ffmpeg: Path, headers: CodecHeaders) -> None:
    """The title in the stream is the item's title from when its sound is on air, in whichever charset it was written."""
    titles: list[str] = []
    with Radio(song, seconds=40.0) as radio:
        item = replace(item_of(radio.url), title="Radio")
        feed = feed_of(item, ffmpeg, headers=headers, resolve=resolve_direct, buffer_seconds=2)
        taken = 0

        def listen(packet: Packet) -> None:
            nonlocal taken
            taken += packet.kind is Kind.VIDEO
            if taken == 25:
                radio.raw_title = "Кино - Звезда".encode("cp1251")
            if feed.title not in titles:
                titles.append(feed.title)

        await play_frames(feed, 200, after=listen)
    assert feed.is_live
    assert titles[-2:] == ["Radio: First - Song", "Radio: Кино - Звезда"]


async def test_jumps_of_the_timestamps_are_followed(
    clip: Path, folder: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """An MPEG-TS cut together of two, served over HTTP, plays both halves as it does from a file."""
    other = make_clip(folder / "other.ts", Plan(item_id=5, frames=125, encoder=SHORT, audio_encoder=("-c:a", "mp2")))
    both = await asyncio.to_thread(_joined, clip, other, tmp_path / "both.ts")
    with Site() as site:
        site.file("/both.ts", both)
        feed = feed_of(item_of(site.url("/both.ts")), each_ffmpeg, headers=headers, resolve=resolve_direct)
        played = await play(feed)
    recording = played.decoded(tmp_path, headers)
    assert len(recording.numbers(4)) >= 120
    assert len(recording.numbers(5)) >= 115


def _joined(one: Path, other: Path, path: Path) -> Path:
    path.write_bytes(one.read_bytes() + other.read_bytes())
    return path
