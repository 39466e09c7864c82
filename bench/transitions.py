"""What is lost where one item ends and the next begins: the same numbered clips through each program to the same server."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.channel import channel
from bench.inputs import numbered_clips
from bench.report import Table
from bench.rivals import liquidsoap_command, vlc_command

from stands.house import house_of
from stands.nginx_rtmp import NginxRtmp
from stands.recording import Recording, read_recording, skews
from tg_video_streamer.ffmpeg.encode import audio_arguments, video_arguments

FRAMES = 75
_TAIL_SECONDS = 15.0
_GRID_SECONDS = 0.0011
"""FLV counts in whole milliseconds."""
_HOUSE = house_of("480p")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a recording lacks; pictures before the first and after the last clip that was seen do not count."""

    items: int
    missing: int
    doubled: int
    off_grid: tuple[int, int]
    """Pictures and sound packets that do not follow the one before them by their own length."""
    worst_jump_seconds: float
    worst_skew_seconds: float | None


def judge(recording: Recording, clips: int) -> Verdict:
    """Compare what was recorded with what was to come."""
    seen = [recording.numbers(item) for item in range(1, clips + 1)]
    last = max((index for index, numbers in enumerate(seen) if numbers), default=-1)
    missing = doubled = 0
    for index, numbers in enumerate(seen[: last + 1]):
        # How a program starts and ends is no transition.
        begin = min(numbers) if index == 0 and numbers else 0
        end = max(numbers) + 1 if index == last and numbers else FRAMES
        missing += len(set(range(begin, end)) - set(numbers))
        doubled += len(numbers) - len(set(numbers))
    jumps = [_jumps(recording.video_times, 1 / 25), _jumps(recording.audio_times, 1024 / 48000)]
    apart = [abs(skew) for skew in skews(recording)]
    return Verdict(
        items=last + 1,
        missing=missing,
        doubled=doubled,
        off_grid=(len(jumps[0]), len(jumps[1])),
        worst_jump_seconds=max((abs(jump) for jump in jumps[0] + jumps[1]), default=0.0),
        worst_skew_seconds=max(apart) if apart else None,
    )


def _jumps(times: Sequence[float], period: float) -> list[float]:
    """By how much packets leave the grid that those before them stand on."""
    found = []
    shift = 0.0
    for slot, seconds in enumerate(times):
        error = seconds - times[0] - slot * period - shift
        if abs(error) > _GRID_SECONDS:
            found.append(error)
            shift += error
    return found


def measure(folder: Path, *, quick: bool) -> Table:
    """One run of each program, one after the other."""
    count = 4 if quick else 12
    clips = numbered_clips(folder / "clips", count, frames=FRAMES)
    rows: list[tuple[str, ...]] = []
    for name, run in _PROGRAMS:
        place = folder / name.split()[0] / str(len(rows))
        place.mkdir(parents=True)
        with NginxRtmp(place / "nginx") as server:
            said = run(place, clips, server.url())
            records = server.records()
        rows.append(_row(name, said, max(records, key=lambda path: path.stat().st_size) if records else None, count))
    return Table(
        question=f"Transitions: {count} clips of {FRAMES / 25:g} s, {count - 1} joints",
        columns=(
            "program",
            "clips seen",
            "frames missing",
            "frames doubled",
            "pictures off the 25/s grid",
            "sound packets off their grid",
            "worst jump",
            "worst lip sync",
        ),
        rows=tuple(rows),
        notes=(
            (
                "Numbered 480p25 clips, AAC 48 kHz, streamed in real time to nginx-rtmp; its recording is decoded and every "
                "frame's number read. What is missing before the first and after the last frame seen does not count."
            ),
            (
                "A packet is off the grid where it does not follow the one before by 1/25 s or 1024/48000 s; a constant "
                "delay of sound, such as a decoder's priming, is in lip sync, not here."
            ),
            "VLC: `--sout-keep` with `gather` before `transcode`; without `gather` its stream ends with the first clip.",
            (
                "Liquidsoap: `playlist(loop=false)` with `%ffmpeg` (libx264, aac) into `ffmpeg -c copy`; its own `output.url` opens "
                "the stream twice, which nginx-rtmp refuses."
            ),
        ),
    )


def _row(name: str, said: str, record: Path | None, count: int) -> tuple[str, ...]:
    if record is None:
        return (name, f"nothing arrived: {said}", *("-",) * 6)
    verdict = judge(read_recording(record), count)
    skew = verdict.worst_skew_seconds
    return (
        name,
        f"{verdict.items} of {count}",
        str(verdict.missing),
        str(verdict.doubled),
        *(str(number) for number in verdict.off_grid),
        f"{verdict.worst_jump_seconds * 1000:.0f} ms",
        "-" if skew is None else f"{skew * 1000:.0f} ms",
    )


def _ours(folder: Path, clips: Sequence[Path], url: str) -> str:
    with channel(folder / "service", clips, url, VIDEO_QUALITY="480p", LOOP="0") as service:
        service.wait_for(lambda status: status["streams_played"] >= len(clips), timeout=120, what="all played")
        service.wait_for(lambda status: status["channel_state"] == "on_slate", timeout=60, what="the list is over")
        service.stop()
    return ""


def _concat(*encoder: str) -> Callable[[Path, Sequence[Path], str], str]:
    def run(folder: Path, clips: Sequence[Path], url: str) -> str:
        script = folder / "list.txt"
        script.write_text("".join(f"file '{clip}'\n" for clip in clips))
        command = ["ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "concat", "-safe", "0", "-i", str(script)]
        return _run([*command, *encoder, "-f", "flv", url], folder, clips)

    return run


def _vlc(folder: Path, clips: Sequence[Path], url: str) -> str:
    return _run(vlc_command(clips, url, _HOUSE, loop=False), folder, clips)


def _liquidsoap(folder: Path, clips: Sequence[Path], url: str) -> str:
    return _run(liquidsoap_command(folder, clips, url, _HOUSE, loop=False), folder, clips)


def _run(command: Sequence[str], folder: Path, clips: Sequence[Path]) -> str:
    """Run it until it ends or the clips must be over; its last line."""
    deadline = time.monotonic() + len(clips) * FRAMES / 25 + _TAIL_SECONDS
    with (folder / "log").open("w") as log:
        try:
            child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        except OSError as error:
            return str(error.strerror)
        try:
            child.wait(deadline - time.monotonic())
        except subprocess.TimeoutExpired:
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    lines = (folder / "log").read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:80].replace("|", "/")


_PROGRAMS = (
    ("ours", _ours),
    ("ffmpeg concat, `-c copy`", _concat("-c", "copy")),
    ("ffmpeg concat, encoding", _concat(*video_arguments(_HOUSE), *audio_arguments(_HOUSE), "-r", "25")),
    ("VLC", _vlc),
    ("Liquidsoap", _liquidsoap),
)
