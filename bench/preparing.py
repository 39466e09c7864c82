"""How fast `library prepare` makes kept items of 720p films, beside one ffmpeg that only encodes them to the same settings."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from bench.inputs import film
from bench.measure import Peak
from bench.report import Table

from stands.house import house_of
from stands.service import COMMAND
from tg_video_streamer.ffmpeg.encode import audio_arguments, video_arguments

_HOUSE = house_of("720p")


def measure(folder: Path, *, quick: bool) -> Table:
    """Both from the same film, one after the other; then once more what is kept, and what is in house format already."""
    seconds = 10.0 if quick else 120.0
    source = film(folder / "films" / "film.mp4", seconds=seconds)
    theirs = _timed(_encode(source, folder / "encoded.flv"))
    ours = _timed(_prepare(folder / "ours", source))
    again = _timed(_prepare(folder / "ours", source))
    (copy,) = (folder / "ours" / "library").glob("*.flv")
    house = folder / "films" / "house.flv"
    house.hardlink_to(copy)
    taken = _timed(_prepare(folder / "taken", house))
    rows = {
        "ours, `library prepare`": ours,
        "one ffmpeg that encodes it": theirs,
        "ours, kept already": again,
        "ours, an item that is in house format already": taken,
    }
    return Table(
        question=f"Preparing a film of {seconds:g} s at 720p30",
        columns=("program", "seconds", "x real time", "peak memory"),
        rows=tuple(
            (name, f"{took:.1f} s", f"{seconds / took:.1f}", f"{memory / 1e6:.0f} MB")
            for name, (took, memory) in rows.items()
        ),
        notes=(
            "From the start of the command to its end, both cores used.",
            (
                "Ours measures all of the sound first (loudness and true peak), looks for black, frozen and silent stretches, "
                "and syncs what it has written."
            ),
        ),
    )


def _timed(command: list[str]) -> tuple[float, int]:
    """Seconds, and the most memory of its tree."""
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        with Peak(child.pid) as peak:
            _, errors = child.communicate(timeout=600)
        assert child.returncode == 0, errors.decode(errors="replace")  # noqa: S101 - a failed run must not become a number
    return time.monotonic() - began, peak.peak_bytes


def _prepare(folder: Path, source: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    (folder / "playlist.txt").write_text(f"{source}\n")
    values = {
        "STATE_DIR": folder / "state",
        "PLAYLIST": folder / "playlist.txt",
        "MEDIA_DIRS": source.parent,
        "VIDEO_QUALITY": "720p",
        "FRAME_RATE": int(_HOUSE.frame_rate),
        "LIBRARY_DIR": folder / "library",
    }
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in values.items()))
    (folder / ".env").chmod(0o600)
    return [str(COMMAND), "library", "prepare", "--env-file", str(folder / ".env")]


def _encode(source: Path, target: Path) -> list[str]:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(source)]
    command += ["-vf", f"scale={_HOUSE.width}:{_HOUSE.height},fps=25"]
    return [*command, *video_arguments(_HOUSE), *audio_arguments(_HOUSE), str(target)]
