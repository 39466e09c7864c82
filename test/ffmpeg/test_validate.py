"""The test of the operator's encoder options: real encodes with both ffmpegs, and each kind of failure."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stands.ffmpegs import both_ffmpegs
from stands.house import house_of
from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.validate import checked_arguments, trial_command

HOUSE = house_of("480p")


def check(
    text: str, ffmpeg: Path | None = None, cache_dir: Path | None = None, *, slow: float = 60.0, deadline: float = 60.0
) -> tuple[tuple[str, ...], list[str]]:
    """The result of a test in a separate event loop."""
    trial = checked_arguments(
        text, HOUSE, ffmpeg or find_ffmpeg(), cache_dir=cache_dir, slow_seconds=slow, deadline_seconds=deadline
    )
    arguments, warnings = asyncio.run(trial)
    return arguments, [str(one) for one in warnings]


def script(folder: Path, body: str) -> Path:
    """An ffmpeg that misbehaves: a shell script around the real one."""
    path = folder / "bad-ffmpeg"
    path.write_text(f"#!/bin/bash\nreal={find_ffmpeg()}\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("ffmpeg", both_ffmpegs(), ids=lambda path: path.name[:12])
@pytest.mark.parametrize(
    "text",
    [
        "-b:v 1000k -c:v h264",
        "-preset ultrafast -tune zerolatency -profile:v main -level 4.1 -threads 2 -b:a 64k",
        "-crf 30 -maxrate 1M -bufsize 2M -x264-params ref=2:me=hex:subme=2:deblock=1,1:psy-rd=1,0.1:nal-hrd=vbr:mbtree=0",
    ],
)
def test_options_that_work_are_used(text: str, ffmpeg: Path) -> None:
    """Options that encode a second of house format are used unchanged, with old and new ffmpeg."""
    arguments, warnings = check(text, ffmpeg)
    assert warnings == []
    assert " ".join(arguments) == text.replace("h264", "libx264") if "c:v" in text else text


def test_no_options_cost_nothing(tmp_path: Path) -> None:
    """With FFMPEG_ARGS empty nothing is run."""
    assert check("", tmp_path / "no-ffmpeg-at-all") == ((), [])


@pytest.mark.parametrize("ffmpeg", both_ffmpegs(), ids=lambda path: path.name[:12])
def test_an_encoder_that_fails_is_named(ffmpeg: Path) -> None:
    """Of several options the failing one is named with ffmpeg's message, and none is used."""
    arguments, (warning,) = check("-b:v 1000k -preset p3 -threads 1", ffmpeg)
    assert arguments == ()
    assert "FFMPEG_ARGS: -preset p3 does not work here" in warning
    assert "p3'" in warning
    assert warning.endswith("the safe profile is used")


def test_options_that_are_not_allowed_are_never_run(tmp_path: Path) -> None:
    """Options outside the allow list never reach ffmpeg, and each is a warning."""
    arguments, warnings = check("-report -preset veryfast out.mkv", tmp_path / "no-ffmpeg-at-all")
    assert arguments == ()
    assert len(warnings) == 2
    assert "'-report'" in warnings[0]
    assert "'out.mkv'" in warnings[1]


def test_an_encoder_that_hangs_is_given_up(tmp_path: Path) -> None:
    """The test has a deadline."""
    arguments, (warning,) = check("-crf 30", script(tmp_path, "exec sleep 600"), deadline=0.5)
    assert arguments == ()
    assert "did not end within 0.5 s" in warning


_WITH_B_FRAMES = 'words=("$@"); for i in "${!words[@]}"; do [ "${words[i]}" = -bf ] && words[i+1]=2; done; exec "$real" "${words[@]}"'


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('touch extra.log; exec "$real" "$@"', "it writes files: extra.log"),
        (_WITH_B_FRAMES, "reordering of pictures"),
        ('exec "$real" "${@:1:$#-1}" -frames:v 20 pipe:1', "number of pictures: 20 ≠ 25"),
        ('exec "$real" "${@:1:$#-1}" -s 640x480 pipe:1', "picture size: 640x480 ≠ 854x480"),
        ('exec "$real" "${@:1:$#-1}" -ac 1 pipe:1', "audio channels: 1 ≠ 2"),
        ('exec "$real" "${@:1:$#-1}" -g 10 -keyint_min 1 pipe:1', "keyframes"),
        ('exec "$real" "${@:1:$#-1}" -an pipe:1', "instead of one of each kind"),
        ('exec "$real" "${@:1:$#-1}" -c:v mpeg4 -sc_threshold 1000000000 pipe:1', "codec: mpeg4"),
        ("echo nonsense", "cannot be read"),
        ("exit 0", "cannot be read"),
    ],
)
def test_what_came_out_is_looked_at(body: str, found: str, tmp_path: Path) -> None:
    """An exit code of 0 is not enough: streams, size, frames, order and files are checked."""
    arguments, (warning,) = check("-preset ultrafast", script(tmp_path, body))
    assert arguments == ()
    assert found in warning


def test_what_worked_is_remembered(tmp_path: Path) -> None:
    """A second start with the same options and ffmpeg encodes nothing; with others it does."""
    log = tmp_path / "runs"
    ffmpeg = script(tmp_path, f'echo run >> {log}; exec "$real" "$@"')
    cache = tmp_path / "cache"
    wanted: tuple[tuple[str, ...], list[str]] = (("-preset", "ultrafast"), [])
    assert check("-preset ultrafast", ffmpeg, cache) == wanted
    assert check("-preset ultrafast", ffmpeg, cache) == wanted
    assert log.read_text().count("run") == 1
    assert check("-preset superfast", ffmpeg, cache)[0] == ("-preset", "superfast")
    script(tmp_path, f'echo another run >> {log}; exec "$real" "$@"')
    assert check("-preset superfast", ffmpeg, cache)[0] == ("-preset", "superfast")
    assert log.read_text().count("run") == 3


def test_failures_are_not_remembered(tmp_path: Path) -> None:
    """Options that failed are tested again at the next start."""
    assert check("-preset ultrafast", script(tmp_path, "exit 1"), tmp_path / "cache")[0] == ()
    assert not (tmp_path / "cache").exists()


def test_a_slow_encoder_is_a_warning(tmp_path: Path) -> None:
    """Options that are too slow for real time are used with a warning, and tested again at the next start."""
    arguments, (warning,) = check("-preset ultrafast", cache_dir=tmp_path / "cache", slow=0.0)
    assert arguments == ("-preset", "ultrafast")
    assert "too slow" in warning
    assert not (tmp_path / "cache").exists()


def test_the_trial_is_the_very_command_line() -> None:
    """The test uses the same output options as every feed and the slate."""
    command = trial_command(("-preset", "fast"), HOUSE, Path("/usr/bin/ffmpeg"))
    assert command[-1] == "pipe:1"
    assert command.index("fast") < command.index("-bf")
