"""Clips whose every frame carries its own number, with flashes and beeps for lip sync; stands/recording.py reads them.

A picture made here looks like this, whatever its size and shape (fractions of width and height):

    +------------------------------------------+   background: mid grey, so that black bars around the picture are
    |   ##..##.#  16 blocks  .#.#..##  (0.08)   |   read from the picture (`recording.Look.rectangle`)
    |   #.##..#.  16 blocks  ##.#.#.#  (0.38)   |   32 blocks, white or black: white, black, 6 bits of item id,
    |                                          |   16 bits of frame number, 8 bits of check sum
    |            +--------------+    (0.55)    |   one big block: white while it flashes, else black
    |            |    flash     |              |   a beep starts with the first sample of the first frame of a flash
    |            +--------------+    (0.90)    |
    +------------------------------------------+

Use in a test::

    clip = make_clip(folder / "one.mp4", Plan(item_id=1, frames=100, flashes=(25, 75)))
"""

from __future__ import annotations

import shutil
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]  # the wheel ships no types
import numpy as np
from numpy.typing import NDArray

from stands.made import content, identity, made_once

Plane = NDArray[np.uint8]

_COLUMNS, _ROWS = 16, 2
_CODE_BOX = (0.08, 0.08, 0.92, 0.42)
"""Left, top, right, bottom of the blocks, as fractions of the picture."""
FLASH_BOX = (0.30, 0.55, 0.70, 0.90)
_GREY, _WHITE, _BLACK = 110, 235, 16
_ID_BITS, _NUMBER_BITS, _CHECK_BITS = 6, 16, 8
BEEP_SECONDS = 0.08
SAMPLE_RATE = 48000


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a numbered clip is to be."""

    item_id: int
    """0 to 63."""
    frames: int
    rate: float = 25
    width: int = 320
    height: int = 180
    """Of the picture as stored: an anamorphic one gets its shape from `-vf setsar` in `encoder`."""
    rotated: int = 0
    """Quarter turns counterclockwise by which the stored picture is turned (a phone's); width and height as seen."""
    first_number: int = 0
    flashes: tuple[int, ...] = ()
    """Frames (counted from 0) at which a flash and a beep of 80 ms begin."""
    channels: int = 2
    """0 for a clip without sound."""
    sample_rate: int = SAMPLE_RATE
    audio_seconds: float | None = None
    """Length of the sound where it is not that of the picture."""
    beep_hertz: float = 1000.0
    hum: float = 0.0
    """Amplitude of a steady 300 Hz tone below the beeps, 0 to 1."""
    encoder: tuple[str, ...] = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p")
    audio_encoder: tuple[str, ...] = ("-c:a", "aac", "-b:a", "128k")


def any_ffmpeg() -> str:
    """An ffmpeg to make inputs with: the host's, else the one of the wheel."""
    return shutil.which("ffmpeg") or str(imageio_ffmpeg.get_ffmpeg_exe())


def make_clip(path: Path, plan: Plan, *, ffmpeg: str = "", extra: tuple[str, ...] = ()) -> Path:
    """Write the clip; the container follows from the name, `extra` goes in front of it on the command line."""
    program = ffmpeg or any_ffmpeg()
    how = (plan, extra, identity(program), content(Path(__file__)))
    return made_once(path, lambda target: _encode(target, plan, program, extra), *how)


def _encode(path: Path, plan: Plan, program: str, extra: tuple[str, ...]) -> None:
    width, height = (plan.height, plan.width) if plan.rotated % 2 else (plan.width, plan.height)
    command = [program, "-nostdin", "-loglevel", "error", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-video_size", f"{width}x{height}"]
    # The picture comes on stdin, so -nostdin above only says that it is not a keyboard.
    command += ["-framerate", str(plan.rate), "-i", "pipe:0"]
    sound = path.with_name(path.name + ".pcm")
    if plan.channels:
        sound.write_bytes(_sound(plan).tobytes())
        command += ["-f", "f32le", "-ar", str(plan.sample_rate), "-ac", str(plan.channels), "-i", str(sound)]
        command += ["-map", "0:v", "-map", "1:a", *plan.audio_encoder]
    command += [*plan.encoder, *extra, str(path)]
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdin is not None
            assert child.stderr is not None
            try:
                for frame in pictures(plan):
                    child.stdin.write(np.ascontiguousarray(np.rot90(frame, plan.rotated)).data)
                child.stdin.close()
            except BrokenPipeError:
                pass  # its exit code and stderr say why
            errors = child.stderr.read().decode(errors="replace")
        if child.returncode != 0:
            raise RuntimeError(f"ffmpeg could not make {path.name}: {errors}")
    finally:
        sound.unlink(missing_ok=True)


def pictures(plan: Plan) -> Iterator[Plane]:
    """The frames of a clip as grey planes of shape (height, width), upright."""
    shining = {start + more for start in plan.flashes for more in range(max(1, round(BEEP_SECONDS * plan.rate)))}
    for index in range(plan.frames):
        yield picture(plan, plan.first_number + index, flash=index in shining)


def picture(plan: Plan, number: int, *, flash: bool) -> Plane:
    """One frame, upright."""
    frame = np.full((plan.height, plan.width), _GREY, dtype=np.uint8)
    for bit, box in zip(_code(plan.item_id, number), blocks(), strict=True):
        _paint(frame, box, _WHITE if bit else _BLACK)
    _paint(frame, FLASH_BOX, _WHITE if flash else _BLACK)
    return frame


def _code(item_id: int, number: int) -> list[bool]:
    if not 0 <= item_id < 1 << _ID_BITS or not 0 <= number < 1 << _NUMBER_BITS:
        raise ValueError(f"item {item_id}, frame {number} does not fit the code")
    value = item_id << _NUMBER_BITS | number
    value = value << _CHECK_BITS | _check(value)
    width = _ID_BITS + _NUMBER_BITS + _CHECK_BITS
    return [True, False, *(bool(value >> place & 1) for place in reversed(range(width)))]


def decode_bits(bits: list[bool]) -> tuple[int | None, int | None]:
    """Item id and frame number of the blocks, in order; None twice where the check sum is wrong."""
    value = 0
    for bit in bits[2:]:
        value = value << 1 | bit
    payload, check = value >> _CHECK_BITS, value & (1 << _CHECK_BITS) - 1
    if check != _check(payload):
        return None, None
    return payload >> _NUMBER_BITS, payload & (1 << _NUMBER_BITS) - 1


def _check(value: int) -> int:
    return zlib.crc32(value.to_bytes(4, "big")) & (1 << _CHECK_BITS) - 1


def blocks() -> Iterator[tuple[float, float, float, float]]:
    """Left, top, right, bottom of each block as fractions of the picture, in the order of the bits."""
    left, top, right, bottom = _CODE_BOX
    width, height = (right - left) / _COLUMNS, (bottom - top) / _ROWS
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            x, y = left + column * width, top + row * height
            yield x, y, x + width, y + height


def _paint(frame: Plane, box: tuple[float, float, float, float], level: int) -> None:
    height, width = frame.shape
    left, top, right, bottom = box
    frame[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = level


def _sound(plan: Plan) -> NDArray[np.float32]:
    length = plan.audio_seconds if plan.audio_seconds is not None else plan.frames / plan.rate
    times = np.arange(round(length * plan.sample_rate)) / plan.sample_rate
    sound = plan.hum * np.sin(2 * np.pi * 300.0 * times)
    for flash in plan.flashes:
        start = flash / plan.rate
        here = (times >= start) & (times < start + BEEP_SECONDS)
        sound[here] += 0.5 * np.sin(2 * np.pi * plan.beep_hertz * (times[here] - start))
    return np.repeat(sound.astype(np.float32)[:, None], plan.channels, axis=1)
