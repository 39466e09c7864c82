"""The films that all rivals of a question get: made once a run, numbered where frames are counted."""

from __future__ import annotations

import subprocess
from pathlib import Path

from stands.numbered import Plan, make_clip


def numbered_clips(folder: Path, count: int, *, frames: int = 75) -> list[Path]:
    """Clips at 480p25 with a hum below their beeps, so that a hole in the sound is one."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        make_clip(
            folder / f"{number:02}.mp4",
            Plan(item_id=number, frames=frames, flashes=tuple(range(25, frames - 10, 25)), hum=0.02),
        )
        for number in range(1, count + 1)
    ]


def film(path: Path, *, seconds: float) -> Path:
    """A 720p film at 30 frames a second with grain and sound, which has to be encoded to become house format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = "testsrc2=size=1280x720:rate=30,noise=alls=8:allf=t"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", graph]
    command += ["-f", "lavfi", "-i", "sine=frequency=330:sample_rate=44100,volume=0.5,aformat=channel_layouts=stereo"]
    command += ["-t", str(seconds), "-c:v", "libx264", "-preset", "veryfast", "-b:v", "4M", "-pix_fmt", "yuv420p"]
    command += ["-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"]
    subprocess.run([*command, "-c:a", "aac", "-b:a", "128k", str(path)], check=True, timeout=300)
    return path
