"""Every awkward kind of item comes out in the house format."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from stands.clips import AWKWARD, Awkward, make_awkward
from stands.feeding import SMALL, Played, feed_of, item_of, play
from stands.house import FRAME_TICKS, house_of
from stands.numbered import Plan, make_clip
from stands.program import encode_clip
from stands.recording import Recording, skews
from stands.site import Site
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.media import CodecHeaders

CORE = ("plain", "seven-one", "hdr-10-bit")
LARGE = house_of("480p", "-preset", "ultrafast")
MORE = ("anamorphic", "sound-only", "no-sound", "interlaced", "truncated", "still")


@pytest.mark.parametrize("kind", AWKWARD, ids=lambda kind: kind.name)
async def test_awkward_kind_becomes_house_format(
    kind: Awkward, clips: Path, ffmpeg: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """From any item viewers get whole frames in the right aspect ratio on the grid, with lip sync."""
    await _check(kind, clips, ffmpeg, headers, tmp_path)


@pytest.mark.parametrize("name", [*CORE, *(pytest.param(name, marks=pytest.mark.long) for name in MORE)])
async def test_other_ffmpeg_makes_the_same(
    name: str, clips: Path, wheel: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """The pinned wheel's ffmpeg gives the same house format and the very same codec headers as the host's."""
    kind = next(one for one in AWKWARD if one.name == name)
    await _check(kind, clips, wheel, headers, tmp_path)


async def _check(kind: Awkward, clips: Path, ffmpeg: Path, headers: CodecHeaders, folder: Path) -> None:
    house = SMALL
    if kind.name == "interlaced":
        # What the two fields have in common with the next picture's cannot be told from fine lines, which scaling blends.
        house, headers = LARGE, encode_clip(folder / "headers", LARGE, seconds=1).headers
    feed = feed_of(item_of(make_awkward(kind.name, clips)), ffmpeg, headers=headers, house=house)
    played = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    assert [packet.ticks for packet in played.pictures] == [n * FRAME_TICKS for n in range(len(played.pictures))]
    assert abs(len(played.pictures) - kind.frames) <= kind.slack
    recording = played.decoded(folder, headers)
    assert (recording.width, recording.height) == (house.width, house.height)
    assert len(recording.looks) == len(played.pictures)
    _check_sound(kind, played, recording)
    if kind.shape is not None:
        _check_shape(recording, house, kind.shape)
    if kind.step is not None:
        numbers = recording.numbers(1)
        assert len(numbers) >= len(played.pictures) - 1
        assert {after - before for before, after in pairwise(numbers)} == {kind.step}


def _check_sound(kind: Awkward, played: Played, recording: Recording) -> None:
    assert len(recording.loudest) == 2
    assert len(recording.beeps) == kind.beeps
    steps = {after.ticks - before.ticks for before, after in pairwise(played.sound)}
    assert steps <= {62, 63, 64, 65, 66}, "the sound has a hole"
    missing = played.pictures[-1].ticks - played.sound[-1].ticks
    # The playout fills sound that ends early with silence.
    assert -1300 < missing < (1300 if kind.name != "sound-shorter" else 4500)
    if kind.beeps:
        assert min(recording.loudest) > 0.1
        found = skews(recording)
        assert max((abs(skew) for skew in found), default=0.0) <= kind.skew_seconds
        if kind.shape is not None and kind.step != 0:
            assert len(found) >= 1
    else:
        assert max(recording.loudest) < 0.01


def _check_shape(recording: Recording, house: HouseFormat, shape: float) -> None:
    rectangles = [look.rectangle for look in recording.looks]
    left, top, right, bottom = rectangles[len(rectangles) // 2]
    width, height = min(house.width, house.height * shape), min(house.height, house.width / shape)
    assert abs((right - left) - width) <= 4
    assert abs((bottom - top) - height) <= 4
    assert abs(left - (house.width - right)) <= 4
    assert abs(top - (house.height - bottom)) <= 4


async def test_a_video_over_http_begins_as_its_file_does(
    each_ffmpeg: Path, clips: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """The encoder delay of an MP4's sound neither doubles its first picture nor moves its sound."""
    clip = make_clip(clips / "over-http.mp4", Plan(item_id=7, frames=100, flashes=(25, 75)))
    with Site() as site:
        site.file("/clip.mp4", clip)
        played = await play(feed_of(item_of(site.url("/clip.mp4")), each_ffmpeg, headers=headers))
    recording = played.decoded(tmp_path, headers)
    assert [look.number for look in recording.looks] == list(range(100))
    assert len(found := skews(recording)) == 2
    assert max(abs(skew) for skew in found) < 0.011 + 0.005
