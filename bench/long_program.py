"""A thousand items one after the other, in virtual time: whether lip sync and the grids hold, beside ffmpeg's concat demuxer."""

from __future__ import annotations

import itertools
import subprocess
import time
from pathlib import Path

import av
from bench.inputs import numbered_clips
from bench.report import Table

from stands.house import FRAME_TICKS, RATE
from tg_video_streamer.media import PACKET_TICKS, seconds
from tg_video_streamer.playout.timeline import GridPosition, Splice


def measure(folder: Path, *, quick: bool) -> Table:
    """Our timeline on arithmetic alone, ffmpeg on real clips with no pacing."""
    items = 100 if quick else 1000
    frames = 76
    began = time.monotonic()
    worst, length, packets = _ours(items, frames)
    ours_seconds = time.monotonic() - began
    (clip,) = numbered_clips(folder / "clips", 1, frames=frames)
    late, holes = _concat(folder, clip, items)
    return Table(
        question=f"{items:,} items of {frames / 25:g} s one after the other",
        columns=("program", "worst lip sync by splicing", "program longer than its pictures", "grid faults of sound"),
        rows=(
            ("ours", f"{worst * 1000:.1f} ms", f"{length - items * frames / 25:.3f} s", str(packets)),
            ("ffmpeg concat, `-c copy`", "not measured", f"{late:.3f} s", str(holes)),
        ),
        notes=(
            (
                f"Ours: the timeline in virtual time ({ours_seconds:.2f} s); target 11 ms and no growth. Items' sound is up to a "
                "packet longer or shorter than their picture, as encoders leave it."
            ),
            "ffmpeg: the same number of real clips into Matroska, as fast as it goes; each file is as long as its longer stream.",
        ),
    )


def _ours(items: int, frames: int) -> tuple[float, float, int]:
    """Worst skew, length of the program in seconds, and sound slots that were given twice or never."""
    position = GridPosition()
    worst = 0
    given: list[int] = []
    for item in range(items):
        splice = Splice(position, RATE)
        # One packet of priming; its phase to the picture is another one in each item.
        ticks = item * 7 % PACKET_TICKS - PACKET_TICKS
        for frame in range(frames):
            splice.video(frame * FRAME_TICKS)
            while ticks <= frame * FRAME_TICKS:
                place = splice.audio(ticks)
                given += place.silence
                given += [] if place.slot is None else [place.slot]
                ticks += PACKET_TICKS
        silence, position = splice.leave()
        given += silence
        worst = max(worst, splice.skew_ticks)
    faults = sum(slot != wanted for wanted, slot in enumerate(given))
    return seconds(worst), position.video / 25, faults


def _concat(folder: Path, clip: Path, items: int) -> tuple[float, int]:
    """By how much the last picture is late, and how many sound packets do not follow the one before."""
    (folder / "list.txt").write_text(f"file '{clip}'\n" * items)
    out = folder / "concat.mkv"
    command = ["ffmpeg", "-nostdin", "-v", "quiet", "-f", "concat", "-safe", "0", "-i", str(folder / "list.txt")]
    subprocess.run([*command, "-c", "copy", str(out)], check=True, timeout=300)
    video: list[float] = []
    audio: list[float] = []
    with av.open(str(out)) as container:
        for packet in container.demux():
            if packet.size and packet.pts is not None and packet.time_base is not None:
                (video if packet.stream.type == "video" else audio).append(float(packet.pts * packet.time_base))
    late = video[-1] - video[0] - (len(video) - 1) / 25
    holes = sum(abs(after - before - 1024 / 48000) > 0.0015 for before, after in itertools.pairwise(audio))
    return late, holes
