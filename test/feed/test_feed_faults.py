"""A source or child that fails in the middle of an item costs no frame."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from stands.clips import make_dark
from stands.feeding import feed_of, item_of, play, resolve_simply
from stands.file_server import file_server
from stands.house import FRAME_TICKS
from stands.numbered import Plan, make_clip
from stands.recording import frame_faults, skews
from tg_video_streamer.errors import SourceOverwritten
from tg_video_streamer.events import Event, PictureFault, SourceFailed
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.media import CodecHeaders
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media

FRAMES = 300
PLAN = Plan(item_id=7, frames=FRAMES, flashes=tuple(range(25, FRAMES, 50)))


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds: more than a feed that is killed in its middle can have made in advance."""
    return make_clip(tmp_path_factory.mktemp("long") / "long.mp4", PLAN, extra=("-movflags", "+faststart"))


@pytest.fixture(scope="module")
def half(long_clip: Path) -> int:
    """Half the bytes of the clip."""
    return long_clip.stat().st_size // 2


def children_named(name: str) -> list[psutil.Process]:
    """The running ffmpeg children of this process."""
    found = psutil.Process().children(recursive=True)
    return [child for child in found if child.name().startswith(name)]


def signal_once(at_frame: int, number: signal.Signals) -> Callable[[int], None]:
    """For `play`: sends a signal to the feed's child when so many frames were taken."""

    def after(frames: int) -> None:
        if frames == at_frame:
            (child,) = children_named("ffmpeg")
            os.kill(child.pid, number)

    return after


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
async def test_child_that_dies_is_replaced_at_its_frame(
    number: signal.Signals, long_clip: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """An encoder that is killed or hangs mid-item is replaced at the very frame: none missing, none doubled."""
    events: list[Event] = []
    feed = feed_of(item_of(long_clip), ffmpeg, headers=headers, events=events, buffer_seconds=2, stall_seconds=1.5)
    played = await play(feed, events, after=signal_once(60, number))
    assert feed.state is FeedState.ENDED
    assert [event.stage for event in events if isinstance(event, SourceFailed)] == ["feed"]
    assert [packet.ticks for packet in played.pictures] == [n * FRAME_TICKS for n in range(FRAMES)]
    recording = played.decoded(tmp_path, headers)
    assert frame_faults(recording) == []
    assert recording.numbers(7) == list(range(FRAMES))
    steps = [after.ticks - before.ticks for before, after in pairwise(played.sound)]
    assert max(steps) < 2.5 * 64
    assert min(steps) > 0
    assert len(recording.beeps) == len(PLAN.flashes)
    assert max(abs(skew) for skew in skews(recording)) < 0.03
    assert children_named("ffmpeg") == []


async def test_a_file_that_is_replaced_on_air_plays_to_its_end_as_it_was(
    long_clip: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A new file under the same name is for the next time, also where the encoder has to start again in between."""
    path, other = tmp_path / "item.mp4", make_clip(tmp_path / "other.mp4", replace(PLAN, item_id=8))
    shutil.copy(long_clip, path)

    def change(frames: int) -> None:
        if frames == 60:
            other.replace(path)
            (child,) = children_named("ffmpeg")
            os.kill(child.pid, signal.SIGKILL)

    files = len(psutil.Process().open_files())
    played = await play(feed_of(item_of(path), each_ffmpeg, headers=headers, buffer_seconds=2), after=change)
    assert played.feed.state is FeedState.ENDED, played.feed.last_error
    assert played.feed.last_error is not None
    assert played.decoded(tmp_path, headers).numbers(7) == list(range(FRAMES))
    assert len(psutil.Process().open_files()) == files


def _copied(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _in_place(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)


@pytest.mark.parametrize("write", [_copied, _in_place])
async def test_a_file_that_is_written_over_on_air_ends_there(
    write: Callable[[Path, bytes], None], long_clip: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """No picture of a file that is overwritten in place is shown after that: the item ends, and the error says why."""
    path, other = tmp_path / "item.mp4", make_clip(tmp_path / "other.mp4", replace(PLAN, item_id=8))
    shutil.copy(long_clip, path)
    data = other.read_bytes()

    def change(frames: int) -> None:
        if frames == 60:
            write(path, data)

    played = await play(feed_of(item_of(path), ffmpeg, headers=headers, buffer_seconds=2), after=change)
    assert played.feed.state is FeedState.FAILED
    assert isinstance(played.feed.last_error, SourceOverwritten)
    recording = played.decoded(tmp_path, headers)
    assert frame_faults(recording) == []
    numbers = recording.numbers(7)
    assert numbers == list(range(len(recording.looks)))
    assert 60 <= len(numbers) < FRAMES


async def test_a_file_that_is_touched_or_grows_on_air_plays_on(
    long_clip: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Another time of the file, or bytes behind what was there, change nothing of what plays."""
    path = Path(shutil.copy(long_clip, tmp_path / "item.mp4"))

    def change(frames: int) -> None:
        if frames == 60:
            os.utime(path, (1, 1))
        if frames == 120:
            with path.open("ab") as file:
                file.write(bytes(1000))

    played = await play(feed_of(item_of(path), ffmpeg, headers=headers, buffer_seconds=2), after=change)
    assert played.feed.last_error is None
    assert len(played.pictures) == FRAMES


async def test_resumes_at_a_position(long_clip: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """A feed that starts at 5.48 s of an item with a start and an end gives just the frames between."""
    item = item_of(long_clip, start_seconds=1.0, end_seconds=8.0)
    feed = feed_of(item, each_ffmpeg, headers=headers, start_seconds=5.48)
    played = await play(feed)
    assert played.pictures[0].ticks == round(5.48 * 3000)
    assert feed.duration_seconds == pytest.approx(7.0)
    assert played.decoded(tmp_path, headers).numbers(7) == list(range(25 + 137, 200))


async def test_stalled_server_is_left_and_joined_again(
    long_clip: Path, half: int, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A silent server is given up after the limit, and the item continues where it stopped."""
    with file_server(long_clip.parent) as server:
        server.stop_after = half
        events: list[Event] = []

        async def resolve(item: Item) -> Media | Expansion:
            if any(isinstance(event, SourceFailed) for event in events):
                server.stop_after = None
            return await resolve_simply(item)

        feed = feed_of(
            item_of(server.url(long_clip.name)),
            ffmpeg,
            headers=headers,
            resolve=resolve,
            events=events,
            stall_seconds=4,
        )
        played = await play(feed, events)
    assert feed.state is FeedState.ENDED, feed.last_error
    assert played.decoded(tmp_path, headers).numbers(7) == list(range(FRAMES))


async def test_a_server_that_begins_slowly_is_waited_for(
    long_clip: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A server whose every answer begins later than a stall may last has not failed: its item plays whole, at the first try."""
    with file_server(long_clip.parent) as server:
        server.begins_after_seconds = 6.0
        feed = feed_of(item_of(server.url(long_clip.name)), ffmpeg, headers=headers, stall_seconds=4)
        played = await play(feed)
    assert feed.last_error is None
    assert played.decoded(tmp_path, headers).numbers(7) == list(range(FRAMES))


async def test_expired_url_is_resolved_again(
    long_clip: Path, half: int, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A connection that breaks after its URL has expired continues at the same frame with a fresh URL."""
    with file_server(long_clip.parent) as server:
        server.valid_key = "first"
        server.cut_after = half
        asked: list[str] = []

        async def resolve(item: Item) -> Media | Expansion:
            asked.append(server.valid_key or "")
            media = await resolve_simply(item)
            assert isinstance(media, Media)
            (one,) = media.inputs
            return replace(media, inputs=(replace(one, location=f"{one.location}?key={server.valid_key}"),))

        feed = feed_of(item_of(server.url(long_clip.name)), each_ffmpeg, headers=headers, resolve=resolve)

        before: list[int] = []

        def expire(frames: int) -> None:
            if frames == 20:
                before.append(len(server.requests))
                server.valid_key, server.cut_after = "second", None

        played = await play(feed, after=expire)
        refused = [path for path, _ in server.requests[before[0] :] if "key=first" in path]
    assert asked[0] == "first"
    assert asked[-1] == "second"
    assert len(refused) <= 2, "ffmpeg asks again for what was refused, with growing pauses"
    assert feed.state is FeedState.ENDED, feed.last_error
    assert played.decoded(tmp_path, headers).numbers(7) == list(range(FRAMES))


async def test_url_and_headers_stay_off_command_lines(
    long_clip: Path, each_ffmpeg: Path, headers: CodecHeaders
) -> None:
    """Headers reach the server, and no command line shows the URL, a header or the query."""
    with file_server(long_clip.parent) as server:

        async def resolve(item: Item) -> Media | Expansion:
            media = await resolve_simply(item)
            assert isinstance(media, Media)
            (one,) = media.inputs
            secret = {"Cookie": "session=crown-jewels", "User-Agent": "Mine/1.0", "Referer": "http://from.example/"}
            return replace(media, inputs=(replace(one, location=f"{one.location}?sig=it's", headers=secret),))

        shown: list[str] = []

        def look(frames: int) -> None:
            if frames == 30:
                shown.extend(" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True))

        url = server.url(long_clip.name)
        await play(feed_of(item_of(url), each_ffmpeg, headers=headers, resolve=resolve, buffer_seconds=2), after=look)
        requests = server.requests
    assert any("ffmpeg" in line for line in shown)
    assert not any(word in line for line in shown for word in ("127.0.0.1", "crown-jewels", "sig=", "Mine/1.0"))
    assert {path for path, _ in requests} == {f"/{long_clip.name}?sig=it's"}
    for _, sent in requests:
        assert (sent["cookie"], sent["user-agent"]) == ("session=crown-jewels", "Mine/1.0")
        assert sent["referer"] == "http://from.example/"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"this is no video\n" * 100),
        ("list.mp4", b"ffconcat version 1.0\nfile '/etc/hostname'\n"),
        ("manifest.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"),
    ],
)
async def test_unplayable_file_fails_at_once(name: str, content: bytes, ffmpeg: Path, tmp_path: Path) -> None:
    """A file that is not a video is refused with a readable reason, and opens no other file."""
    path = tmp_path / name
    path.write_bytes(content)
    events: list[Event] = []
    feed = feed_of(item_of(path), ffmpeg, events=events)
    played = await play(feed, events)
    assert (feed.state, played.packets) == (FeedState.FAILED, ())
    assert [(event.stage, event.reason) for event in events if isinstance(event, SourceFailed)] == [
        ("probe", "probe_failed")
    ]
    assert "not a video" in str(feed.last_error)


@pytest.mark.parametrize(
    "target", ["file:///etc/hostname", "concat:/etc/hostname", "/etc/hostname", "data:video/mp4;base64,AAAA"]
)
async def test_manifest_cannot_open_local_files(
    target: str, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """An HLS manifest from the network that names anything but HTTP is refused by probe and encoder alike."""
    manifest = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n"
    (tmp_path / "evil.m3u8").write_text(manifest)
    with file_server(tmp_path) as server:
        feed = feed_of(item_of(server.url("evil.m3u8")), each_ffmpeg, headers=headers)
        feed.retry_pauses = replace(feed.retry_pauses, first=0.01)
        played = await play(feed)
    assert (feed.state, played.packets) == (FeedState.FAILED, ())


async def test_black_frozen_and_silent_are_noticed(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """Black, frozen and silent for longer than ten seconds are reported when a viewer meets them, and when they end."""
    events: list[Event] = []
    dark = make_dark(tmp_path / "dark.mkv")
    feed = feed_of(item_of(dark), ffmpeg, headers=headers, events=events)
    seen: list[int] = []

    def watch(frames: int) -> None:
        if not seen and any(isinstance(event, PictureFault) for event in events):
            seen.append(frames)

    await play(feed, events, after=watch)
    faults = {(event.fault, event.active) for event in events if isinstance(event, PictureFault)}
    assert faults == {(fault, active) for fault in ("black", "frozen", "silent") for active in (True, False)}
    # Taken as fast as it comes, the item may be over before its detectors' lines are read; they never come too early.
    assert all(frames >= 250 for frames in seen)


async def test_a_defect_costs_the_item_and_not_the_channel(ffmpeg: Path) -> None:
    """An exception that no one foresaw, in whatever a feed calls, is a failure of its item, with its class and its words."""

    async def broken(_: Item) -> Media | Expansion:
        raise AttributeError("'NoneType' object has no attribute 'title'")

    events: list[Event] = []
    feed = feed_of(item_of("http://127.0.0.1/a.mp4"), ffmpeg, resolve=broken, events=events)
    await feed.run()
    assert feed.state is FeedState.FAILED
    (failure,) = [one for one in events if isinstance(one, SourceFailed)]
    assert "AttributeError: 'NoneType' object has no attribute 'title'" in failure.detail
