"""Clips of known colors: a test card of stripes, stored in any color space, and the color differences of what became of it.

What a file stores is computed here from the standards' own numbers, without the program under test or ffmpeg's filters.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stands.made import content, identity, made_once

Colors = NDArray[np.float64]
"""Rows of red, green and blue, from 0 to 1."""

Samples = NDArray[np.integer[Any]]

STRIPES: Colors = (
    np.array(
        [
            *((191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191)),
            *((96, 96, 96), (204, 150, 120), (40, 40, 40)),
        ]
    )
    / 255
)
"""The bars of three quarters, grays and a skin, as BT.709 shows them."""
_WHITE = (0.3127, 0.3290)
_PRIMARIES = {
    "bt709": ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    "smpte170m": ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    "bt470bg": ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    "smpte432": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_WEIGHTS = {
    "bt709": (0.2126, 0.0722),
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "bt2020nc": (0.2627, 0.0593),
}
"""Of red and blue in the brightness."""
DISPLAY_GAMMA = 2.4
"""BT.1886: from the signal to the light of a screen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """How a file stores its colors. What is empty is not stated in the file."""

    pixels: str = "yuv420p"
    """ffmpeg's name of the pixel format."""
    matrix: str = "bt709"
    states: tuple[str, ...] = ("primaries", "transfer", "matrix", "range")
    primaries: str = "bt709"
    transfer: str = "bt709"
    full_range: bool = False
    width: int = 320
    height: int = 180
    encoder: tuple[str, ...] = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
    extra: tuple[str, ...] = ()

    @property
    def bits(self) -> int:
        """Of one sample."""
        return 10 if "10" in self.pixels else 8

    @property
    def tags(self) -> list[str]:
        """The options that state the colors."""
        named = {
            "primaries": ("-color_primaries", self.primaries),
            "transfer": ("-color_trc", self.transfer),
            "matrix": ("-colorspace", "gbr" if self.pixels.startswith("gbr") else self.matrix),
            "range": ("-color_range", "pc" if self.full_range else "tv"),
        }
        return [word for name in self.states for word in named[name]]


def xyz_of(primaries: str) -> Colors:
    """The matrix from linear red, green and blue to CIE XYZ."""
    corners = np.array([(x / y, 1, (1 - x - y) / y) for x, y in _PRIMARIES[primaries]]).T
    white = np.array((_WHITE[0] / _WHITE[1], 1, (1 - sum(_WHITE)) / _WHITE[1]))
    return corners * np.linalg.solve(corners, white)


def in_primaries(linear: Colors, primaries: str, *, before: str = "bt709") -> Colors:
    """Light in the primaries `before` as the same light in others."""
    return linear @ (np.linalg.inv(xyz_of(primaries)) @ xyz_of(before)).T


def converted(signal: Colors, primaries: str, *, before: str = "bt709") -> Colors:
    """The signal that shows the same on the same screen in other primaries, as far as they have these colors."""
    if primaries == before:
        return signal
    return np.asarray(
        np.clip(in_primaries(signal**DISPLAY_GAMMA, primaries, before=before), 0, 1) ** (1 / DISPLAY_GAMMA)
    )


def make_card(path: Path, stored: Stored, signal: Colors, *, frames: int = 6) -> Path:
    """Write a clip of vertical stripes with the colors `signal`, which are in the file's own primaries and transfer."""
    how = (stored, signal.tobytes(), frames, identity("ffmpeg"), content(Path(__file__)))
    return made_once(path, lambda target: _encode(target, stored, signal, frames), *how)


def _encode(path: Path, stored: Stored, signal: Colors, frames: int) -> None:
    places = np.arange(stored.width) * len(signal) // stored.width
    data = b"".join(plane.tobytes() for plane in _planes(signal[places], stored)) * frames
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", stored.pixels]
    command += ["-video_size", f"{stored.width}x{stored.height}", "-framerate", "25", "-i", "pipe:0"]
    command += [*stored.encoder, "-pix_fmt", stored.pixels, *stored.tags, *stored.extra, str(path)]
    subprocess.run(command, input=data, check=True)


def _planes(row: Colors, stored: Stored) -> list[Samples]:
    kind = np.uint16 if stored.bits > 8 else np.uint8
    top = 2**stored.bits - 1
    if stored.pixels.startswith("gbr"):
        return [_rows(np.rint(row[:, channel] * top).astype(kind), stored.height) for channel in (1, 2, 0)]
    red, blue = _WEIGHTS[stored.matrix]
    luma = row @ np.array((red, 1 - red - blue, blue))
    differences = ((row[:, 2] - luma) / (2 * (1 - blue)), (row[:, 0] - luma) / (2 * (1 - red)))
    unit = 2 ** (stored.bits - 8)
    scale, low, color_scale = (top, 0, top) if stored.full_range else (219 * unit, 16 * unit, 224 * unit)
    planes = [_rows(np.rint(luma * scale + low).astype(kind), stored.height)]
    across = 1 if "444" in stored.pixels else 2
    down = 2 if "420" in stored.pixels else 1
    for one in differences:
        values = np.clip(np.rint(one * color_scale + 128 * unit), 0, top).astype(kind)[::across]
        planes.append(_rows(values, stored.height // down))
    return planes


def _rows(row: Samples, count: int) -> Samples:
    return np.tile(row, (count, 1))


def signal_in(planes: bytes, width: int, height: int, places: Sequence[tuple[int, int]]) -> Colors:
    """The BT.709 signal at some points of a yuv420p picture of limited range, each averaged over 4x4 points."""
    samples = np.frombuffer(planes[: width * height * 3 // 2], np.uint8).astype(np.float64)
    luma = samples[: width * height].reshape(height, width)
    first, second = samples[width * height :].reshape(2, height // 2, width // 2)
    found = []
    for x, y in places:
        bright = (luma[y - 2 : y + 2, x - 2 : x + 2].mean() - 16) / 219
        blue, red = (
            (one[y // 2 - 1 : y // 2 + 1, x // 2 - 1 : x // 2 + 1].mean() - 128) / 224 for one in (first, second)
        )
        r, b = bright + 2 * (1 - 0.2126) * red, bright + 2 * (1 - 0.0722) * blue
        found.append((r, (bright - 0.2126 * r - 0.0722 * b) / 0.7152, b))
    return np.clip(np.array(found), 0, 1)


def lab(signal: Colors) -> Colors:
    """CIE L*a*b* of a BT.709 signal on a screen as BT.1886 has it."""
    light = signal**DISPLAY_GAMMA @ xyz_of("bt709").T / xyz_of("bt709").sum(axis=1)
    root = np.where(light > (6 / 29) ** 3, np.cbrt(light), light / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=1)


def differences(found: Colors, wanted: Colors) -> Colors:
    """The color difference of each pair of BT.709 signals: CIE76."""
    return np.asarray(np.linalg.norm(lab(found) - lab(wanted), axis=1))
