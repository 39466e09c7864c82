"""A collection of awkward numbered clips, one of each kind that a playlist may hold, and what must come of each.

`make_awkward(name, folder)` makes one; `AWKWARD` says what it is called and what a viewer is to see.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]  # the wheel ships no types

from stands.made import content, identity, made_once
from stands.numbered import Plan, any_ffmpeg, make_clip

FRAMES = 75
FLASHES = (25, 50)
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p")
_PLAIN = Plan(item_id=1, frames=FRAMES, flashes=FLASHES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Awkward:
    """One kind of clip, and what must come out of it."""

    name: str
    make: Callable[[Path], Path]
    """Gets a folder, gives the clip."""
    shape: float | None = 16 / 9
    """Width by height of the picture as it is to be seen; None where there is none of ours."""
    frames: int = FRAMES
    """House frames that are to come, give or take `slack`."""
    slack: int = 2
    """Give or take so many."""
    step: int | None = 1
    """Difference between the numbers of neighbouring frames; None where they cannot be regular."""
    beeps: int = len(FLASHES)
    skew_seconds: float = 0.03
    """How far beep and flash may be apart: half a frame of the source or of the house, whichever is longer, and a bit."""


MINUTE = Plan(item_id=1, frames=1500)
TWO_MINUTES = Plan(item_id=5, frames=3000, flashes=tuple(range(25, 3000, 50)))
NOISY_MINUTE = Plan(
    item_id=7,
    frames=1500,
    encoder=(
        "-vf",
        "noise=alls=14:allf=t",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-g",
        "50",
        "-pix_fmt",
        "yuv420p",
    ),
)
"""It needs the whole bit rate, as films do: a still picture fits into a dead server's socket for half a minute."""


def make_long_clips(folder: Path) -> None:
    """Make the clips above, so that no test has to wait for them."""
    for number, plan in enumerate((MINUTE, TWO_MINUTES, NOISY_MINUTE)):
        make_clip(folder / f"{number}.mp4", plan)


def make_awkward(name: str, folder: Path) -> Path:
    """The clip of that name in `folder`; made where it is not there yet."""
    kind = next(one for one in AWKWARD if one.name == name)
    place = folder / name
    if not place.is_dir():
        made_once(place, lambda made: kind.make(_new_folder(made)), name, _how())
    return next(iter(sorted(place.iterdir())))


def make_dark(path: Path) -> Path:
    """Eleven dark and silent seconds, then three with something to see and hear."""
    return made_once(path, _dark, "dark", _how())


def _new_folder(path: Path) -> Path:
    path.mkdir()
    return path


def _how() -> tuple[object, ...]:
    programs = identity(any_ffmpeg(), str(imageio_ffmpeg.get_ffmpeg_exe()))
    return (content(Path(__file__), Path(__file__).with_name("numbered.py")), programs)


def _dark(path: Path) -> None:
    graph = (
        "color=black:s=320x240:r=25:d=11[b];testsrc2=s=320x240:r=25:d=3[t];[b][t]concat[v];"
        "anullsrc=r=48000:cl=stereo,atrim=duration=11[n];sine=r=48000:d=3,aformat=channel_layouts=stereo[s];[n][s]concat=v=0:a=1[a]"
    )
    _ffmpeg("-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-c:a", "pcm_s16le", *_X264, str(path))


def _numbered(file_name: str, plan: Plan, *extra: str) -> Callable[[Path], Path]:
    return lambda folder: make_clip(folder / file_name, plan, extra=extra)


def _ffmpeg(*arguments: str, program: str = "") -> None:
    command = (program or any_ffmpeg(), "-nostdin", "-loglevel", "error", "-y", *arguments)
    subprocess.run(command, check=True, timeout=120)


def _sound_only(folder: Path) -> Path:
    whole = make_clip(folder / "whole.mp4", _PLAIN)
    _ffmpeg("-i", str(whole), "-vn", "-c", "copy", str(folder / "sound.m4a"))
    whole.unlink()
    return folder / "sound.m4a"


def _sound_with_cover(folder: Path) -> Path:
    whole = make_clip(folder / "whole.mp4", replace(_PLAIN, width=180))
    cover = make_clip(folder / "cover.png", replace(_PLAIN, width=180, frames=1, channels=0, encoder=()))
    inputs = ("-i", str(whole), "-i", str(cover), "-map", "0:a", "-map", "1:v")
    _ffmpeg(*inputs, "-c:a", "libmp3lame", "-c:v", "copy", "-disposition:v", "attached_pic", str(folder / "song.mp3"))
    whole.unlink()
    cover.unlink()
    return folder / "song.mp3"


def _rotated(folder: Path) -> Path:
    stored = make_clip(folder / "stored.mp4", replace(_PLAIN, width=480, height=854, rotated=1))
    # Only newer programs than some hosts have can write a display matrix: the wheel's can.
    program = str(imageio_ffmpeg.get_ffmpeg_exe())
    _ffmpeg("-display_rotation", "-90", "-i", str(stored), "-c", "copy", str(folder / "phone.mp4"), program=program)
    stored.unlink()
    return folder / "phone.mp4"


def _interlaced(folder: Path) -> Path:
    plan = replace(
        _PLAIN,
        frames=2 * FRAMES,
        rate=50,
        width=854,
        height=480,
        flashes=tuple(2 * flash for flash in FLASHES),
        encoder=("-vf", "tinterlace=interleave_top", *_X264, "-flags", "+ildct+ilme", "-x264-params", "tff=1"),
    )
    return make_clip(folder / "interlaced.mkv", plan)


def _variable_rate(folder: Path) -> Path:
    uneven = ("-vf", "select='not(mod(n,5)*mod(n,7))+between(mod(n,50),20,40)'", "-fps_mode", "vfr", *_X264)
    plan = replace(_PLAIN, frames=150, rate=50, flashes=tuple(2 * flash for flash in FLASHES), encoder=uneven)
    return make_clip(folder / "uneven.mkv", plan)


def _truncated(folder: Path) -> Path:
    clip = make_clip(folder / "cut.mp4", replace(_PLAIN, frames=2 * FRAMES), extra=("-movflags", "+faststart"))
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2])
    return clip


def _corrupt(folder: Path) -> Path:
    clip = make_clip(folder / "corrupt.mkv", replace(_PLAIN, frames=2 * FRAMES))
    data = bytearray(clip.read_bytes())
    middle, length = len(data) // 2, len(data) // 12
    data[middle : middle + length] = bytes((31 * at) & 255 for at in range(length))
    clip.write_bytes(data)
    return clip


def _wrong_extension(folder: Path) -> Path:
    clip = make_clip(folder / "right.mp4", _PLAIN)
    return clip.rename(folder / "wrong.avi")


def _odd_name(folder: Path) -> Path:
    clip = make_clip(folder / "plain.mp4", _PLAIN)
    return Path(shutil.move(clip, folder / "it's 100%d: [a] \\ b;c,d.mp4"))


_HDR = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-color_range", "tv")
_MONO_8K = ("-c:a", "pcm_s16le")
_TEN = replace(_PLAIN, rate=10, frames=30, flashes=(10, 20))
_SIXTY = replace(_PLAIN, rate=60, frames=180, flashes=(60, 120))
_THIRTY = replace(_PLAIN, rate=30, frames=90, flashes=(30, 60))
_MANY = replace(_PLAIN, rate=120, frames=360, flashes=(120, 240))

AWKWARD: tuple[Awkward, ...] = (
    Awkward(name="plain", make=_numbered("plain.mp4", _PLAIN)),
    Awkward(name="no-sound", make=_numbered("mute.mp4", replace(_PLAIN, channels=0)), beeps=0),
    Awkward(name="sound-only", make=_sound_only, shape=None, step=None),
    Awkward(name="sound-with-cover", make=_sound_with_cover, shape=1.0, step=0),
    Awkward(name="sound-shorter", make=_numbered("short.mp4", replace(_PLAIN, audio_seconds=1.5)), beeps=1),
    Awkward(name="sound-longer", make=_numbered("long.mp4", replace(_PLAIN, audio_seconds=5.0)), frames=125, step=None),
    Awkward(name="portrait", make=_numbered("portrait.mp4", replace(_PLAIN, width=480, height=854)), shape=9 / 16),
    Awkward(name="four-by-three", make=_numbered("four.mp4", replace(_PLAIN, width=240, height=180)), shape=4 / 3),
    Awkward(
        name="anamorphic",
        make=_numbered("pal.mkv", replace(_PLAIN, width=720, height=576, encoder=("-vf", "setsar=64/45", *_X264))),
    ),
    Awkward(
        name="odd-size",
        make=_numbered("odd.mkv", replace(_PLAIN, width=333, height=251, encoder=(*_X264[:-1], "yuv444p"))),
        shape=333 / 251,
    ),
    Awkward(name="rotated", make=_rotated, shape=9 / 16),
    Awkward(name="10-fps", make=_numbered("ten.mkv", _TEN), step=None, skew_seconds=0.06),
    Awkward(name="30-fps", make=_numbered("thirty.mkv", _THIRTY), step=None),
    Awkward(name="60-fps", make=_numbered("sixty.mp4", _SIXTY), step=None),
    Awkward(name="120-fps", make=_numbered("many.mp4", _MANY), step=None),
    Awkward(name="variable-rate", make=_variable_rate, step=None, skew_seconds=0.13),
    Awkward(name="interlaced", make=_interlaced, step=2, skew_seconds=0.05),
    Awkward(
        name="mono-8-khz",
        make=_numbered("phone.mkv", replace(_PLAIN, channels=1, sample_rate=8000, audio_encoder=_MONO_8K)),
    ),
    Awkward(
        name="seven-one",
        make=_numbered("cinema.mkv", replace(_PLAIN, channels=8, audio_encoder=("-c:a", "flac"))),
    ),
    Awkward(
        name="hdr-10-bit",
        make=_numbered("hdr.mkv", replace(_PLAIN, encoder=(*_X264[:-1], "yuv420p10le", *_HDR))),
    ),
    Awkward(
        name="still",
        make=_numbered("photo.png", replace(_PLAIN, frames=1, channels=0, encoder=())),
        frames=250,
        step=0,
        beeps=0,
    ),
    Awkward(name="mpeg-ts", make=_numbered("broadcast.ts", _PLAIN)),
    Awkward(name="wrong-extension", make=_wrong_extension),
    Awkward(name="odd-name", make=_odd_name),
    Awkward(name="truncated", make=_truncated, slack=25, step=None),
    Awkward(name="corrupt", make=_corrupt, frames=2 * FRAMES, slack=10, step=None),
)
