"""The built-in demo: three clips that move, sound and differ, there in time, and never half a clip."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import structlog.testing

from stands.ffmpegs import both_ffmpegs
from tg_video_streamer.app.demo import CLIPS, Demo, demo_playlist
from tg_video_streamer.errors import EncoderFailed
from tg_video_streamer.ffmpeg.binary import find_ffmpeg, roboto
from tg_video_streamer.ffmpeg.generated import clip_command
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.playlist.folders import AllowedFolders
from tg_video_streamer.playlist.line import parse_line

SHORT = tuple(replace(clip, seconds=1) for clip in CLIPS)


def decoded(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """All pictures as luma, and the sound's samples of the first channel."""
    with av.open(str(path), mode="r") as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    with av.open(str(path), mode="r") as container:
        sound = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return pictures, np.concatenate(sound)


def tone(samples: np.ndarray) -> float:
    """The loudest frequency, in hertz."""
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * 48000 / len(samples)


def listed(playlist: Path) -> list[Path]:
    """The files that the real playlist parser finds in the playlist."""
    folder = str(playlist.parent.resolve())
    allowed = AllowedFolders.of([folder])
    return [Path(parse_line(line, base=folder, allowed=allowed).locator) for line in playlist.read_text().splitlines()]


def test_the_clips_are_8_to_12_seconds() -> None:
    """Three clips, each with its own number, tone and picture."""
    assert len(CLIPS) == 3
    assert all(8 <= clip.seconds <= 12 for clip in CLIPS)
    for field in ("number", "tone_hertz", "picture", "caption"):
        assert len({getattr(clip, field) for clip in CLIPS}) == 3


@pytest.mark.parametrize("ffmpeg", both_ffmpegs(), ids=lambda path: path.name[:12])
def test_clips_move_sound_and_differ(ffmpeg: Path, tmp_path: Path) -> None:
    """Each clip is 1280x720 at 30 fps, has a clock that runs, a picture that moves, its number and its tone."""

    async def body() -> Demo:
        demo = Demo(tmp_path / "demo", ffmpeg, SHORT)
        await demo.begin()
        assert len(listed(demo.playlist)) == 1
        await demo.complete()
        return demo

    demo = asyncio.run(body())
    files = listed(demo.playlist)
    assert len(files) == 3
    numbers = set()
    for clip, path in zip(SHORT, files, strict=True):
        pictures, samples = decoded(path)
        assert len(pictures) == 30
        assert pictures[0].shape == (720, 1280)
        moved = np.abs(pictures[4].astype(int) - pictures[20])
        assert (moved[:440] > 30).sum() > 1000, "the picture moves"
        assert (moved[490:580, 500:700] > 60).sum() > 50, "the clock runs"
        assert moved[470:, :240].max() < 60, "the number stands"
        numbers.add((pictures[10][470:, :240] > 128).tobytes())
        assert abs(tone(samples) - clip.tone_hertz) < 5
    assert len(numbers) == 3


def test_a_second_start_makes_nothing(tmp_path: Path) -> None:
    """Clips are made once; the second start needs no ffmpeg, and removes what other versions and kills have left."""

    async def body(ffmpeg: Path) -> list[Path]:
        demo = Demo(tmp_path, ffmpeg, SHORT)
        await demo.begin()
        await demo.complete()
        return listed(demo.playlist)

    first = asyncio.run(body(find_ffmpeg()))
    (tmp_path / "demo-1-00000000.mp4").write_bytes(b"of another version")
    (tmp_path / "demo-1-11111111.half").write_bytes(b"half")
    assert asyncio.run(body(tmp_path / "no-ffmpeg")) == first
    assert {path.name for path in tmp_path.iterdir()} == {"playlist.txt", *(path.name for path in first)}


def test_a_clip_is_listed_only_when_it_is_whole(tmp_path: Path) -> None:
    """Cancelled in the middle of a clip, the demo leaves a playlist of whole clips and no half."""
    endless = (SHORT[0], replace(SHORT[2], seconds=100_000))

    async def body() -> Demo:
        demo = Demo(tmp_path, find_ffmpeg(), endless)
        await demo.begin()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(demo.complete())
            async with asyncio.timeout(90):
                while not list(tmp_path.glob("*.half")):  # noqa: ASYNC110, ASYNC240 - ffmpeg sets no event; a quick look
                    await asyncio.sleep(0.01)
            task.cancel()
        return demo

    demo = asyncio.run(body())
    assert len(listed(demo.playlist)) == 1
    assert all(path.exists() for path in listed(demo.playlist))
    assert not list(tmp_path.glob("*.half"))


def test_one_clip_that_fails_is_left_out(tmp_path: Path) -> None:
    """What cannot be made is a warning; the others play."""
    clips = (SHORT[0], replace(SHORT[1], picture="no-such-source"), SHORT[2])

    async def body() -> Demo:
        demo = Demo(tmp_path, find_ffmpeg(), clips)
        await demo.begin()
        await demo.complete()
        return demo

    with structlog.testing.capture_logs() as logs:
        demo = asyncio.run(body())
    assert len(listed(demo.playlist)) == 2
    assert [(entry["log_level"], entry["clip"]) for entry in logs] == [("warning", "2")]


def test_no_clip_at_all_is_an_error(tmp_path: Path) -> None:
    """An ffmpeg that cannot, and a folder that cannot be written, are said with what to do."""
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\necho 'no encoder today' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(EncoderFailed, match="no encoder today"):
        asyncio.run(demo_playlist(tmp_path / "demo", broken))
    (tmp_path / "file").write_text("")
    with pytest.raises(EncoderFailed, match="cannot be written"):
        asyncio.run(demo_playlist(tmp_path / "file" / "demo", find_ffmpeg()))


@pytest.mark.parametrize("ffmpeg", both_ffmpegs(), ids=lambda path: path.name[:12])
def test_any_folder_will_do(ffmpeg: Path, tmp_path: Path) -> None:
    """Neither the font's path nor the words can break out of the filter graph, whatever is in them."""
    odd = tmp_path / "it's [a] \\ fol:der, with; 100%"
    odd.mkdir()
    font = odd / "font.ttf"
    font.symlink_to(roboto("Medium"))
    clip = replace(SHORT[0], caption="It's 50%: [a], \\b; c=d")

    async def body() -> None:
        done = await run(clip_command(clip, ffmpeg, font, odd / "clip.mp4"), timeout_seconds=120)
        assert (done.returncode, "drawtext" in done.stderr_tail) == (0, False), done.stderr_tail

    asyncio.run(body())
    pictures, _ = decoded(odd / "clip.mp4")
    assert (pictures[0][610:660, 300:] > 100).sum() > 200, "the caption is there"
