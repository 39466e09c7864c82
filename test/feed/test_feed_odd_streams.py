"""Streams that begin late, state half of their colors, or have channels without places are played all the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from stands.feeding import Played, feed_of, item_of, play, write_packets
from stands.ffmpegs import each_ffmpeg
from stands.house import FRAMES_PER_SECOND
from stands.made import identity, made_once
from stands.recording import Recording
from stands.site import Site
from tg_video_streamer.feed.state import FeedState
from tg_video_streamer.media import CodecHeaders

PICTURE = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
PQ = "zscale=t=smpte2084:p=2020:m=2020_ncl:r=tv:npl=100:tin=709:pin=709:min=709,format=yuv420p10le"
TAGS = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
BOTH = pytest.mark.parametrize("program", each_ffmpeg())


def ff(*words: str | Path) -> None:
    """Run the host's ffmpeg."""
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, words)], check=True)


def picture(seconds: float, size: str = "320x180") -> tuple[str, ...]:
    """A moving test picture as an input."""
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}")


def tone(hertz: int, seconds: float, layout: str = "mono") -> tuple[str, ...]:
    """A tone as an input."""
    return ("-f", "lavfi", "-i", f"sine=f={hertz}:r=48000:d={seconds},aformat=channel_layouts={layout}")


def clip(name: str, folder: Path, make: Callable[[Path], object]) -> Path:
    """The clip `name`, made once for all runs."""
    return made_once(folder / name, make, name, identity("ffmpeg"))


async def played(source: str | Path, program: Path, headers: CodecHeaders) -> Played:
    """All that a feed gives of `source`."""
    feed = feed_of(item_of(source), program, headers=headers)
    found = await play(feed)
    assert feed.state is FeedState.ENDED, feed.last_error
    return found


def loudness(recording: Recording, begin: float, end: float, channel: int = 0) -> float:
    """The effective value of the sound between two times."""
    part = recording.samples[channel][round(begin * 48000) : round(end * 48000)]
    return float(np.sqrt(np.mean(np.square(part)))) if part.size else 0.0


def pitch(recording: Recording, channel: int) -> float:
    """The strongest frequency of the first seconds."""
    part = recording.samples[channel][4800 : 4800 + 96000]
    return float(np.argmax(np.abs(np.fft.rfft(part))) * 48000 / part.size)


def looks(found: Played, folder: Path, headers: CodecHeaders) -> list[np.ndarray]:
    """The brightness of the middle of some decoded pictures."""
    path = folder / "looks.mkv"
    write_packets(path, found.packets, headers)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    return [frame[60:420, 120:740].astype(float) for frame in frames[::10]]


def late_sound(path: Path) -> None:
    """Sound from 4 s on, of which a TS tells nothing before it comes."""
    whole = path.with_name("whole.ts")
    ff(*picture(6), *tone(440, 6, "stereo"), *PICTURE, "-c:a", "mp2", whole)
    ff("-i", whole, "-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "ac3", "-af", "atrim=4", path)
    whole.unlink()


def very_late_sound(path: Path) -> None:
    """Sound from 12 s on."""
    whole = path.with_name("whole.ts")
    ff(*picture(14), *tone(440, 14, "stereo"), *PICTURE, "-c:a", "mp2", whole)
    ff("-i", whole, "-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "ac3", "-af", "atrim=12", path)
    whole.unlink()


def mid_gop(path: Path) -> None:
    """A recording that begins just behind the keyframe of a group of 4 s."""
    whole = path.with_name("whole.ts")
    ff(*picture(8, "640x360"), *tone(440, 8), *PICTURE, "-g", "100", "-c:a", "mp2", "-muxdelay", "0", whole)
    packets = whole.read_bytes()
    path.write_bytes(packets[188 * (len(packets) // 188 // 25) :])
    whole.unlink()


@BOTH
async def test_sound_that_begins_late_is_heard(program: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """Sound whose first packet comes after 4 s is silent until then, and heard from then on."""
    found = await played(clip("late-sound.ts", tmp_path, late_sound), program, headers)
    recording = found.decoded(tmp_path, headers)
    assert len(found.pictures) == pytest.approx(6 * FRAMES_PER_SECOND, abs=2)
    assert loudness(recording, 0, 3.8) < 0.001
    assert loudness(recording, 4.3, 5.8) > 0.02


async def test_sound_that_begins_very_late_is_heard(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """Sound from 12 s on, of which a TS tells nothing before, is heard from then on, and its picture plays before it."""
    found = await played(clip("very-late-sound.ts", tmp_path, very_late_sound), ffmpeg, headers)
    recording = found.decoded(tmp_path, headers)
    assert len(found.pictures) == pytest.approx(14 * FRAMES_PER_SECOND, abs=2)
    assert loudness(recording, 0, 11.8) < 0.001
    assert loudness(recording, 12.3, 13.8) > 0.02


async def test_late_sound_is_heard_from_the_web_too(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """The same over HTTP, where reading on costs time."""
    with Site() as site:
        site.file("/late.ts", clip("late-sound.ts", tmp_path, late_sound))
        found = await played(site.url("/late.ts"), ffmpeg, headers)
    assert loudness(found.decoded(tmp_path, headers), 4.3, 5.8) > 0.02


@BOTH
async def test_a_recording_begun_between_keyframes_has_its_picture(
    program: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """A recording that begins in the middle of a group of pictures shows its picture, not a card."""
    found = await played(clip("mid-gop.ts", tmp_path, mid_gop), program, headers)
    last = looks(found, tmp_path, headers)[-5:]
    assert min(float(look.std()) for look in last) > 20
    assert float(np.abs(last[0] - last[-1]).mean()) > 1, "the picture moves"


@BOTH
async def test_half_stated_colors_are_completed(program: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """PQ without primaries and matrix looks as it does with them."""

    def tagged(path: Path) -> None:
        x265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error")
        ff(*picture(2), *tone(440, 2), "-vf", PQ, *x265, *TAGS, "-c:a", "aac", path)

    def untagged(path: Path) -> None:
        bare = "hevc_metadata=colour_primaries=2:matrix_coefficients=2"
        ff("-i", clip("pq.mkv", path.parent, tagged), "-map", "0", "-c", "copy", "-bsf:v", bare, path)

    whole = looks(await played(clip("pq.mkv", tmp_path, tagged), program, headers), tmp_path, headers)
    half = looks(await played(clip("pq-untagged.ts", tmp_path, untagged), program, headers), tmp_path, headers)
    assert abs(len(whole) - len(half)) <= 1
    assert max(abs(float(a.mean() - b.mean())) for a, b in zip(whole, half, strict=False)) < 3
    assert whole[1].std() > 20


@BOTH
async def test_channels_without_places_are_mixed(program: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """Twelve channels without a layout cost neither the picture nor the sound."""

    def make(path: Path) -> None:
        source = "aevalsrc=" + "|".join(["0.2*sin(2*PI*440*t)"] * 12) + ":s=48000:d=3"
        ff(*picture(3), "-f", "lavfi", "-i", source, *PICTURE, "-c:a", "pcm_s16le", path)

    found = await played(clip("twelve.mkv", tmp_path, make), program, headers)
    assert len(found.pictures) == pytest.approx(3 * FRAMES_PER_SECOND, abs=1)
    recording = found.decoded(tmp_path, headers)
    assert min(loudness(recording, 0.5, 2.5, channel) for channel in (0, 1)) > 0.02


@BOTH
async def test_two_mono_tracks_named_left_and_right_are_stereo(
    program: Path, headers: CodecHeaders, tmp_path: Path
) -> None:
    """Each side of a pair of mono tracks is heard on its side."""

    def make(path: Path) -> None:
        names = ("-metadata:s:a:0", "title=Right", "-metadata:s:a:1", "title=Left")
        tracks = ("-map", "0", "-map", "1", "-map", "2")
        ff(*picture(3), *tone(1000, 3), *tone(440, 3), *tracks, *PICTURE, "-c:a", "pcm_s16le", *names, path)

    recording = (await played(clip("pair.mkv", tmp_path, make), program, headers)).decoded(tmp_path, headers)
    assert pitch(recording, 0) == pytest.approx(440, abs=2)
    assert pitch(recording, 1) == pytest.approx(1000, abs=2)


async def test_picture_and_sound_are_of_one_program(ffmpeg: Path, headers: CodecHeaders, tmp_path: Path) -> None:
    """Of a TS with two programs the sound is that of the picture's program, also where the other has the richer one."""

    def make(path: Path) -> None:
        inputs = (*picture(3), *picture(3, "160x90"), *tone(1000, 3), *tone(440, 3, "stereo"))
        tracks = ("-map", "0", "-map", "2", "-map", "1", "-map", "3")
        programs = ("-program", "title=A:st=0:st=1", "-program", "title=B:st=2:st=3")
        ff(*inputs, *tracks, *PICTURE, "-c:a", "mp2", "-b:a:1", "192k", *programs, path)

    recording = (await played(clip("two-programs.ts", tmp_path, make), ffmpeg, headers)).decoded(tmp_path, headers)
    assert pitch(recording, 0) == pytest.approx(1000, abs=2)
