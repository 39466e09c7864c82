"""Clocks of sources that drift, jump or begin elsewhere: picture and sound stay together, and the feed plays on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest

from feed.test_live_feeds import live_item, play_frames
from stands.feeding import feed_of, item_of, play
from stands.house import FRAME_TICKS
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import Plan, any_ffmpeg, make_clip
from stands.ports import free_port
from stands.raw_sender import sending_bytes
from stands.recording import skews
from stands.rtsp_server import RtspCamera
from stands.sender import sending
from tg_video_streamer.media import PACKET_TICKS, CodecHeaders, Kind, Packet
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.live import resolve_live
from tg_video_streamer.resolve.media import Expansion, Media, MediaInput

SHORT = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p")
PART = Plan(item_id=4, frames=100, width=320, height=180, encoder=SHORT, audio_encoder=("-c:a", "mp2"))
PART_SECONDS = 4.0


def run(*arguments: str | Path) -> None:
    """Run ffmpeg."""
    command = [any_ffmpeg(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("rate", [0.995, pytest.param(1.005, marks=pytest.mark.long)], ids=["slow", "fast"])
async def test_a_clock_that_drifts_moves_nothing(
    rate: float, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Sound of which 0.5 % fewer or more samples come than its times say is at its picture all along, and whole."""
    frames = 750
    plan = replace(PART, frames=frames, flashes=tuple(range(25, frames, 50)))
    clip = make_clip(tmp_path / "clip.mkv", plan)
    fewer, drifting = tmp_path / "fewer.mkv", tmp_path / "drifting.mkv"
    run("-i", clip, "-c:v", "copy", "-af", f"aresample={48000 * rate:.0f},asetrate=48000", "-c:a", "ac3", fewer)
    run("-i", fewer, "-c", "copy", "-bsf:a", f"setts=pts=PTS/{rate}:dts=DTS/{rate}", drifting)
    played = await play(feed_of(item_of(drifting), ffmpeg, headers=headers))
    recording = played.decoded(tmp_path, headers)
    assert len(recording.beeps) == len(recording.flashes) == len(plan.flashes)
    assert max(abs(skew) for skew in skews(recording)) < 0.022 + 0.04
    assert max(after.ticks - before.ticks for before, after in pairwise(played.sound)) <= 2 * PACKET_TICKS


@pytest.mark.long
async def test_a_change_after_five_minutes_moves_nothing(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """Where size and sample rate change after 300 s, the next picture and the next beep are where they belong."""
    whole = 7500
    first = replace(PART, frames=whole)
    changed = replace(PART, frames=100, first_number=whole, width=640, height=360, sample_rate=44100, flashes=(25, 75))
    start = make_clip(tmp_path / "first.ts", first, extra=("-muxdelay", "0", "-muxpreload", "0"))
    offset = ("-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset", "300")
    rest = make_clip(tmp_path / "rest.ts", changed, extra=offset)
    path = tmp_path / "changing.ts"
    path.write_bytes(start.read_bytes() + rest.read_bytes())
    played = await play(feed_of(item_of(path), ffmpeg, headers=headers))
    recording = played.decoded(tmp_path, headers)
    assert played.feed.last_error is None
    assert recording.numbers(4)[-90:] == list(range(whole + 10, whole + 100))
    assert abs(len(recording.looks) - whole - 100) <= 1
    assert len(recording.flashes) == len(recording.beeps) == 2
    assert max(abs(skew) for skew in skews(recording)) < 0.022 + 0.04


@pytest.fixture(scope="module")
def jumping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds from zero on, and four from an hour on; sent in a loop, it jumps ahead and back."""
    folder = tmp_path_factory.mktemp("jumping")
    parts = [
        make_clip(
            folder / f"{number}.ts",
            replace(PART, item_id=number),
            extra=("-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset", offset),
        ).read_bytes()
        for number, offset in ((4, "1"), (5, "3600"))
    ]
    path = folder / "jumping.ts"
    path.write_bytes(b"".join(parts))
    return path


@contextmanager
def _udp(clip: Path) -> Iterator[str]:
    address = f"udp://127.0.0.1:{free_port()}"
    with sending_bytes(clip, f"{address}?pkt_size=1316", seconds=2 * PART_SECONDS):
        yield address


@contextmanager
def _srt(clip: Path) -> Iterator[str]:
    # As a caller it would end with its first visitor.
    port = free_port()
    with sending_bytes(clip, f"srt://127.0.0.1:{port}?connect_timeout=30000&pkt_size=1316", seconds=2 * PART_SECONDS):
        yield f"srt://127.0.0.1:{port}?mode=listener"


@pytest.mark.parametrize("kind", [_udp, pytest.param(_srt, marks=pytest.mark.long)])
async def test_a_live_feed_whose_times_jump_plays_on(
    kind: Callable[[Path], AbstractContextManager[str]],
    jumping: Path,
    ffmpeg: Path,
    headers: CodecHeaders,
    tmp_path: Path,
) -> None:
    """A feed that jumps an hour ahead, and back, is on air at both sides of the jump, without an hour of its last picture."""
    with kind(jumping) as line:
        feed = feed_of(live_item(line), ffmpeg, headers=headers, resolve=resolve_live, buffer_seconds=2)
        played = await play_frames(feed, 350)
    assert [one.ticks for one in played.pictures] == [n * FRAME_TICKS for n in range(350)], feed.last_error
    ids = [look.item_id for look in played.decoded(tmp_path, headers).looks if look.item_id is not None]
    runs = [one for one, _ in groupby(ids)]
    assert len(runs) >= 3, runs
    assert set(runs) == {4, 5}


async def test_a_camera_that_sets_its_clock_stays_on_air(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """A camera whose clock is set an hour ahead while it is watched goes on with new pictures, over one connection."""
    clip = make_clip(tmp_path / "camera.mp4", replace(PART, frames=500, audio_encoder=("-c:a", "aac")))
    with RtspCamera(clip, tmp_path, sets_clock=True) as camera:
        feed = feed_of(live_item(camera.url()), ffmpeg, headers=headers, resolve=resolve_live, buffer_seconds=2)
        played = await play_frames(feed, 300)
        assert camera.clocks_set
        assert camera.visitors == 1
    assert [one.ticks for one in played.pictures] == [n * FRAME_TICKS for n in range(300)], feed.last_error
    numbers = played.decoded(tmp_path, headers).numbers(4)
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 270


async def test_an_encoder_that_jumps_ahead_behind_its_server_is_followed(
    ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """An RTMP sender that restarts an hour ahead is on air again, with its own pictures."""
    later = make_clip(tmp_path / "later.mp4", replace(PART, item_id=6, audio_encoder=("-c:a", "aac")))
    now = make_clip(tmp_path / "now.mp4", replace(PART, item_id=5, audio_encoder=("-c:a", "aac")))
    with ExitStack() as first, NginxRtmp(tmp_path / "nginx") as server, ExitStack() as second:
        first.enter_context(sending(now, server.url(), "flv"))
        feed = feed_of(live_item(server.url()), ffmpeg, headers=headers, resolve=resolve_live, buffer_seconds=2)
        frames = 0

        def restart(packet: Packet) -> None:
            nonlocal frames
            frames += packet.kind is Kind.VIDEO
            if frames == 100 and packet.kind is Kind.VIDEO:
                first.close()
                second.enter_context(sending(later, server.url(), "flv", offset_seconds=3600))

        played = await play_frames(feed, 300, after=restart)
    assert [one.ticks for one in played.pictures] == [n * FRAME_TICKS for n in range(300)], feed.last_error
    ids = [look.item_id for look in played.decoded(tmp_path, headers).looks if look.item_id is not None]
    assert [one for one, _ in groupby(ids)] == [5, 6]
    assert ids.count(6) > 100


async def test_live_sound_that_changes_is_heard_at_once(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """Where the sample rate of live sound changes, none of the seconds is lost that its loudness is leveled over."""
    hum = replace(PART, frames=150, hum=0.3, audio_encoder=("-c:a", "ac3"))
    parts = [
        make_clip(
            tmp_path / f"{number}.ts",
            replace(hum, first_number=number * 150, sample_rate=rate),
            extra=("-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset", str(number * 6 + 1)),
        ).read_bytes()
        for number, rate in enumerate((48000, 44100, 48000))
    ]
    path = tmp_path / "changing.ts"
    path.write_bytes(b"".join(parts))

    async def resolve(_item: Item) -> Media | Expansion:
        return Media(inputs=(MediaInput(location=str(path), is_file=True),), is_live=True)

    played = await play(feed_of(item_of(path), ffmpeg, headers=headers, resolve=resolve, buffer_seconds=60))
    recording = played.decoded(tmp_path, headers)
    assert len(recording.looks) > 440, played.feed.last_error
    tenths = np.array_split(np.abs(recording.samples[0][: 48000 * 17]), 170)
    silent = [at / 10 for at, part in enumerate(tenths) if float(part.mean()) < 0.02]
    assert [at for at in silent if at > 0.5] == []
