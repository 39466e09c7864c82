"""Prints what becomes of the pictures of each source rate in each house rate: repeated, left out, longest run of either.

`python bench/frame_rates.py` counts 200 seconds of tiny pictures whose times are rounded to a millisecond.
"""

from __future__ import annotations

import subprocess
from fractions import Fraction
from itertools import groupby, pairwise

from tg_video_streamer.ffmpeg.binary import find_ffmpeg
from tg_video_streamer.ffmpeg.pacing import pace
from tg_video_streamer.media import FrameRate

SECONDS = 200
SIDE = 16
PRIME = 251
NTSC = Fraction(1000, 1001)
SOURCES = {
    "23.976": 24 * NTSC,
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": 30 * NTSC,
    "30": Fraction(30),
    "50": Fraction(50),
    "59.94": 60 * NTSC,
    "60": Fraction(60),
}


def steps(source: Fraction, house: FrameRate) -> list[int]:
    """By how many pictures of the source each picture of the program is later than the one before."""
    picture = f"color=s={SIDE}x{SIDE}:r={source}:d={SECONDS},format=gray,geq=lum='mod(N\\,{PRIME})'"
    filters = f"{picture},settb=1/1000,{pace(float(source), house)}fps={house}"
    command = [str(find_ffmpeg()), "-nostdin", "-v", "error", "-f", "lavfi", "-i", filters, "-f", "rawvideo", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout[:: SIDE * SIDE]
    return [(after - before) % PRIME for before, after in pairwise(data)]


def cell(found: list[int]) -> str:
    """Repeated and left out in all the seconds, and the most in a row of each."""
    repeated, lost = sum(one == 0 for one in found), sum(max(0, one - 1) for one in found)
    longest = max((len(list(run)) for same, run in groupby(found, lambda one: one == 0) if same), default=0)
    gap = max(0, max(found) - 1)
    parts = [f"{repeated:,} twice, {longest} in a row"] * bool(repeated) + [f"{lost:,} lost, {gap} in a row"] * bool(
        lost
    )
    return "; ".join(parts) or "all once"


def main() -> None:
    """See the module."""
    print("| source | " + " | ".join(f"at {rate}" for rate in FrameRate) + " |")
    print("|---" * (len(FrameRate) + 1) + "|")
    for name, source in SOURCES.items():
        print(f"| {name} | " + " | ".join(cell(steps(source, rate)) for rate in FrameRate) + " |", flush=True)


if __name__ == "__main__":
    main()
