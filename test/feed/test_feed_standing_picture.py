"""A picture that stands while the sound continues is shown for its whole length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stands.feeding import Played, feed_of, item_of, play
from stands.file_server import file_server
from stands.house import FRAME_TICKS
from stands.numbered import Plan, make_clip
from stands.recording import Recording
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.media import CodecHeaders

FRAMES = 1200
FIRST, NEXT = 100, 1000
"""The picture of frame 99 stands until frame 1000."""
BEEPS = tuple(range(25, FRAMES, 100))
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p")
PAUSED = Plan(
    item_id=11,
    frames=FRAMES,
    width=320,
    height=180,
    flashes=BEEPS,
    encoder=("-vf", f"select='lt(n,{FIRST})+gte(n,{NEXT})'", "-fps_mode", "vfr", *X264),
)
ENDED = replace(
    PAUSED,
    frames=FIRST,
    flashes=(25,),
    encoder=X264,
    audio_seconds=FRAMES / 25,
    # Without an encoder's delay, for which some muxers move the picture half a frame.
    audio_encoder=("-c:a", "flac"),
)


def expected(slot: int, *, ends: bool = False) -> int:
    """The number of the picture that is due."""
    return slot if slot < FIRST or (slot >= NEXT and not ends) else FIRST - 1


def check(played: Played, recording: Recording, *, first: int = 0, ends: bool = False) -> None:
    """Every slot from `first` on has its picture, and the sound is where it belongs, to the end."""
    assert played.feed.state is FeedState.ENDED, played.feed.last_error
    assert [one.ticks for one in played.pictures] == [slot * FRAME_TICKS for slot in range(first, FRAMES)]
    shown = {first + at: look.number for at, look in enumerate(recording.looks)}
    assert {slot: number for slot, number in shown.items() if number != expected(slot, ends=ends)} == {}
    assert abs(played.sound[-1].ticks - played.pictures[-1].ticks) < 300
    due = [beep / 25 for beep in BEEPS if first <= beep] if not ends else [1.0]
    assert len(recording.beeps) == len(due)
    assert max(abs(found - at) for found, at in zip(recording.beeps, due, strict=True)) < 0.03


@pytest.fixture(scope="module")
def paused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording whose camera is off for 36 s."""
    return make_clip(tmp_path_factory.mktemp("paused") / "paused.mp4", PAUSED, extra=("-movflags", "+faststart"))


async def test_a_camera_that_is_off_for_a_while_leaves_its_last_picture(
    paused: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """The last picture stands while there is only sound, and the next one comes at its time."""
    played = await play(feed_of(item_of(paused), each_ffmpeg, headers=headers))
    check(played, played.decoded(tmp_path, headers))


async def test_an_item_that_is_resumed_shows_the_picture_that_stands(
    paused: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A position in the middle of a standing picture shows that picture, not the next."""
    played = await play(feed_of(item_of(paused), each_ffmpeg, headers=headers, start_seconds=20.0))
    check(played, played.decoded(tmp_path, headers), first=500)


async def test_a_picture_that_stands_in_a_video_from_the_web(
    paused: Path, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Over HTTP the item continues at the frame at which the picture was found to stand, without a failure."""
    with file_server(paused.parent) as server:
        played = await play(feed_of(item_of(server.url(paused.name)), each_ffmpeg, headers=headers))
    assert played.feed.last_error is None
    check(played, played.decoded(tmp_path, headers))


@pytest.mark.parametrize("container", ["mkv", pytest.param("mp4", marks=pytest.mark.long)])
async def test_sound_that_continues_after_the_last_picture(
    container: str, each_ffmpeg: Path, headers: CodecHeaders, tmp_path: Path, clips: Path
) -> None:
    """The last picture stands until the sound ends."""
    ended = make_clip(clips / f"ended.{container}", ENDED)
    played = await play(feed_of(item_of(ended), each_ffmpeg, headers=headers))
    check(played, played.decoded(tmp_path, headers), ends=True)
