"""The reader of recordings of numbered clips: finds missing, doubled and late frames, holes in the sound and lip sync.

Use in a test::

    recording = read_recording(record)
    assert frame_faults(recording) == []             # nothing missing, doubled or out of order within an item
    assert slot_faults(recording) == []              # both streams stand on the program's grids without a hole
    assert max(abs(skew) for skew in skews(recording)) < 0.011 + 0.04

`read_recording` takes anything that PyAV opens: FLV from nginx-rtmp, Matroska, MPEG-TS, HLS. Frames without a valid
code (slate, foreign clips) have `item_id` and `number` None. The code survives scaling to a 270 pixel wide picture,
x264 at live rates, tone mapping and deinterlacing. How the clips are made and what they show: stands/numbered.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from stands.numbered import BEEP_SECONDS, FLASH_BOX, SAMPLE_RATE, Plane, blocks, decode_bits

_SAMPLES = 6
"""Rows and columns of points by which a block is judged."""
_DARK = 48


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One decoded frame: where it stands and what can be read in it."""

    seconds: float
    item_id: int | None
    number: int | None
    flash: bool
    rectangle: tuple[int, int, int, int]
    """Left, top, right, bottom (exclusive) of what is not black; all 0 in a black frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """What was found in a recorded file; all times in seconds as the container has them."""

    width: int
    height: int
    looks: tuple[Look, ...]
    video_times: tuple[float, ...]
    """Presentation time of each video packet, in the order of the file."""
    video_keyframes: tuple[bool, ...]
    audio_times: tuple[float, ...]
    beeps: tuple[float, ...]
    """When a beep began."""
    loudest: tuple[float, ...]
    """Largest amplitude of each channel, 0 to 1."""
    samples: NDArray[np.float32] = field(repr=False)
    """The decoded sound, shape (channels, samples)."""

    @property
    def flashes(self) -> tuple[float, ...]:
        """When a flash began."""
        starts = []
        before = False
        for look in self.looks:
            if look.flash and not before:
                starts.append(look.seconds)
            before = look.flash
        return tuple(starts)

    def numbers(self, item_id: int) -> list[int]:
        """Frame numbers of one item in the order of the file."""
        return [look.number for look in self.looks if look.item_id == item_id and look.number is not None]


def read_picture(luma: Plane, *, seconds: float = 0.0) -> Look:
    """Find the picture inside its black bars and read its code."""
    rectangle = _rectangle(luma)
    left, top, right, bottom = rectangle
    inner = luma[top:bottom, left:right]
    if inner.shape[0] < 32 or inner.shape[1] < 64:
        return Look(seconds=seconds, item_id=None, number=None, flash=False, rectangle=rectangle)
    *levels, flash_level = inner[_samples(inner.shape)].mean(axis=(1, 2)).tolist()
    threshold = (levels[0] + levels[1]) / 2
    bits = [level > threshold for level in levels]
    item_id, number = decode_bits(bits) if levels[0] - levels[1] > 60 else (None, None)
    flash = item_id is not None and flash_level > threshold
    return Look(seconds=seconds, item_id=item_id, number=number, flash=flash, rectangle=rectangle)


def read_recording(path: Path | str, *, options: dict[str, str] | None = None) -> Recording:
    """Demux and decode a whole file."""
    looks: list[Look] = []
    video_times: list[float] = []
    keyframes: list[bool] = []
    audio_times: list[float] = []
    pieces: list[tuple[float, NDArray[np.float32]]] = []
    width = height = 0
    with av.open(str(path), options=options or {}) as container:
        for packet in container.demux():
            stream = packet.stream
            if packet.size and packet.pts is not None and packet.time_base is not None:
                (video_times if stream.type == "video" else audio_times).append(float(packet.pts * packet.time_base))
                if stream.type == "video":
                    keyframes.append(packet.is_keyframe)
            frames: list[Any] = list(packet.decode())
            for frame in frames:
                if stream.type == "video":
                    width, height = frame.width, frame.height
                    looks.append(read_picture(luma_of(frame), seconds=frame.time))
                else:
                    pieces.append((frame.time, _planar(frame)))
    samples = np.concatenate([piece for _, piece in pieces], axis=1) if pieces else np.zeros((0, 0), np.float32)
    return Recording(
        width=width,
        height=height,
        looks=tuple(looks),
        video_times=tuple(video_times),
        video_keyframes=tuple(keyframes),
        audio_times=tuple(audio_times),
        beeps=_beeps(pieces),
        loudest=tuple(float(np.abs(channel).max()) if channel.size else 0.0 for channel in samples),
        samples=samples,
    )


def luma_of(frame: Any) -> Plane:
    """The luma plane of a decoded PyAV frame, shape (height, width), without the padding of its lines."""
    plane = frame.planes[0]
    lines = np.frombuffer(plane, dtype=np.uint8)[: plane.line_size * frame.height]
    return lines.reshape(frame.height, plane.line_size)[:, : frame.width]


def frame_digests(path: Path | str) -> list[str]:
    """A digest of every decoded picture: equal where the pictures are equal in each pixel."""
    with av.open(str(path)) as container:
        return [
            hashlib.blake2b(frame.to_ndarray().tobytes(), digest_size=16).hexdigest()
            for frame in container.decode(video=0)
        ]


def frame_faults(recording: Recording, *, tail: bool = False) -> list[str]:
    """What is wrong with the numbers within each stretch of an item: missing, doubled or out of order, one line each.

    A stretch begins where the item id changes; numbers that restart at 0 begin a new stretch (a repeat). With
    `tail` an item's stretch must also begin with number 0.
    """
    faults = []
    before: Look | None = None
    for look in recording.looks:
        if look.item_id is not None and look.number is not None:
            same = before is not None and before.item_id == look.item_id
            if same and before is not None and before.number is not None and look.number != 0:
                step = look.number - before.number
                if step != 1:
                    kind = "doubled" if step == 0 else f"{step - 1} missing" if step > 1 else "out of order"
                    faults.append(
                        f"item {look.item_id} at {look.seconds:.3f} s: {before.number} -> {look.number} {kind}"
                    )
            elif not same and tail and look.number != 0:
                faults.append(f"item {look.item_id} at {look.seconds:.3f} s begins with frame {look.number}")
        before = look
    return faults


def slot_faults(recording: Recording, *, rate: int = 25, tolerance: float = 0.0011) -> list[str]:
    """Packets that are not on the grid begun by the first packet of their stream (`rate` a second, 1024 samples).

    `tolerance` in seconds allows for containers that count in milliseconds.
    """
    faults = []
    for name, times, period in (
        ("video", recording.video_times, 1 / rate),
        ("audio", recording.audio_times, 1024 / SAMPLE_RATE),
    ):
        shift = 0.0
        for slot, seconds in enumerate(times):
            error = seconds - times[0] - slot * period - shift
            if abs(error) > tolerance:
                faults.append(f"{name} packet {slot} at {seconds:.4f} s is off its slot by {error * 1000:+.1f} ms")
                shift += error
    return faults


def skews(recording: Recording, *, window: float = 0.4) -> list[float]:
    """Seconds by which each beep comes after its flash (negative: before); pairs further apart than `window` are none."""
    found = []
    for flash in recording.flashes:
        near = [beep - flash for beep in recording.beeps if abs(beep - flash) < window]
        if near:
            found.append(min(near, key=abs))
    return found


@cache
def _samples(shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the points that each block is judged by, the flash's last: its middle half, for edges blur."""
    height, width = shape
    grid = np.linspace(0.25, 0.75, _SAMPLES)
    rows, columns = [], []
    for left, top, right, bottom in (*blocks(), FLASH_BOX):
        down = ((top + (bottom - top) * grid) * height).astype(np.intp)
        across = ((left + (right - left) * grid) * width).astype(np.intp)
        rows.append(np.repeat(down[:, None], _SAMPLES, axis=1))
        columns.append(np.repeat(across[None, :], _SAMPLES, axis=0))
    return np.stack(rows), np.stack(columns)


def _rectangle(luma: Plane) -> tuple[int, int, int, int]:
    # A line belongs to the picture where a tenth of it is not black: ringing next to the bars is less. Each line is judged
    # by a quarter of its points: thousands of pictures are read.
    rows = np.flatnonzero((luma[:, ::4] > _DARK).mean(axis=1) > 0.1)
    columns = np.flatnonzero((luma[::4] > _DARK).mean(axis=0) > 0.1)
    if not rows.size or not columns.size:
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _planar(frame: Any) -> NDArray[np.float32]:
    """Samples as floats, shape (channels, samples)."""
    array: NDArray[Any] = frame.to_ndarray()
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        array = array.reshape(-1, channels).T
    if array.dtype == np.int16:
        array = array / 32768.0
    return array.astype(np.float32)


def _beeps(pieces: list[tuple[float, NDArray[np.float32]]], *, floor: float = 0.04) -> tuple[float, ...]:
    """Onsets louder than `floor` after 50 ms of less than a quarter of their own loudness."""
    if not pieces:
        return ()
    # Each sample has the time of its own packet: a hole in the timestamps must not be closed by concatenating.
    times = np.concatenate([start + np.arange(piece.shape[1]) / SAMPLE_RATE for start, piece in pieces])
    level = np.concatenate([np.abs(piece).max(axis=0) for _, piece in pieces])
    found: list[float] = []
    at, hold = 0, round(BEEP_SECONDS * SAMPLE_RATE)
    while at < level.size:
        loud = np.flatnonzero(level[at:] > floor)
        if not loud.size:
            break
        begin = at + int(loud[0])
        peak = float(level[begin : begin + hold].max())
        quiet = level[max(0, begin - round(0.05 * SAMPLE_RATE)) : begin]
        onset = begin + int(np.flatnonzero(level[begin : begin + hold] > peak / 2)[0])
        if not quiet.size or float(quiet.max()) < peak / 4:
            found.append(float(times[onset]))
        at = begin + hold + round(0.02 * SAMPLE_RATE)
    return tuple(found)
