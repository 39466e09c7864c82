"""What one encoded 720p channel costs, beside one ffmpeg that encodes the same film to the same settings in real time."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.channel import channel
from bench.inputs import film
from bench.measure import Peak, cpu_seconds
from bench.report import Table

from stands.house import house_of
from stands.nginx_rtmp import NginxRtmp
from stands.waiting import wait_until
from tg_video_streamer.ffmpeg.encode import audio_arguments, video_arguments

_HOUSE = house_of("720p")
_PRIMED_SECONDS = 6.0
"""After so long on air the next item waits, primed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Of one run."""

    cpu_per_minute: float
    memory_bytes: int


def measure(folder: Path, *, quick: bool) -> Table:
    """Both, by turns; medians."""
    seconds, rounds = (20.0, 1) if quick else (45.0, 3)
    # A film as long as the window: each window has one whole item, and one change of items.
    source = film(folder / "film" / "film.mp4", seconds=seconds)
    ours, theirs = [], []
    with NginxRtmp(folder / "nginx") as server:
        for turn in range(rounds):
            ours.append(_our_window(folder / "service", source, server.url(f"ours-{turn}"), seconds))
            with _one_ffmpeg(source, server.url(f"ffmpeg-{turn}")) as pid:
                theirs.append(_window(pid, lambda: time.sleep(seconds)))
    rows, ratio = _rows(ours, theirs)
    return Table(
        question=f"One encoded 720p channel: a film of 720p30 made 720p25, windows of {seconds:g} s",
        columns=("program", "CPU s a minute", "peak memory", "CPU in proportion"),
        rows=rows,
        notes=(
            (
                f"Target: at most 1.15 times the one ffmpeg; measured {ratio:.2f}. Medians of {rounds} windows each, by turns "
                f"(CPU s a minute: ours {_all(ours)}; ffmpeg {_all(theirs)})."
            ),
            (
                "ffmpeg: `-re -stream_loop -1`, filters `scale` and `fps`, the very encoder options of the house format, FLV to "
                "the same server."
            ),
            (
                "Ours has in its figure what ffmpeg has not: the program's clock, splicing and RTMP; detectors of black, frozen "
                "and silent; loudness (measured once an item, then a gain and a limiter); probing of the next item, one in "
                f"each window of {seconds:g} s."
            ),
        ),
    )


def _rows(ours: list[Cost], theirs: list[Cost]) -> tuple[tuple[tuple[str, ...], ...], float]:
    floor = statistics.median(cost.cpu_per_minute for cost in theirs)
    rows = []
    ratio = 0.0
    for name, costs in (("ours, the whole service", ours), ("one ffmpeg", theirs)):
        cpu = statistics.median(cost.cpu_per_minute for cost in costs)
        memory = max(cost.memory_bytes for cost in costs)
        ratio = ratio or cpu / floor
        rows.append((name, f"{cpu:.2f}", f"{memory / 1e6:.0f} MB", f"{cpu / floor:.2f}"))
    return tuple(rows), ratio


def _all(costs: list[Cost]) -> str:
    return ", ".join(f"{cost.cpu_per_minute:.1f}" for cost in costs)


def _our_window(folder: Path, source: Path, url: str, seconds: float) -> Cost:
    """From the first frame of an item to the first frame of the next: it encodes in bursts, one a window."""
    (folder / "service.log").unlink(missing_ok=True)
    with channel(folder, [source], url, VIDEO_QUALITY="720p") as service:
        service.wait_on_air(timeout=60)
        service.wait_for(lambda status: status["position_seconds"] > _PRIMED_SECONDS, what="the next item is primed")
        plays = service.status()["streams_played"]
        service.command("skip")
        service.wait_for(lambda status: status["streams_played"] > plays, what="the next item")

        def until_next() -> None:
            what, limit = "the item after it", seconds + 30
            service.wait_for(lambda status: status["streams_played"] > plays + 1, timeout=limit, what=what)

        cost = _window(service.process.pid, until_next)
        # Where the machine is too slow for real time, an item and its slate would be measured for an item.
        assert service.status()["streams_played"] == plays + 2, "more than an item was played in the window"  # noqa: S101 - a failed run must not become a number
        assert "source_stalled" not in service.log, "the machine was too busy to encode in real time"  # noqa: S101 - the same
        service.stop()
        return cost


@contextmanager
def _one_ffmpeg(source: Path, url: str) -> Iterator[int]:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(source)]
    command += ["-vf", f"scale={_HOUSE.width}:{_HOUSE.height},fps=25"]
    command += [*video_arguments(_HOUSE), *audio_arguments(_HOUSE), "-f", "flv", url]
    with subprocess.Popen(command) as child:
        try:
            wait_until(lambda: cpu_seconds(child.pid) > 1.0, timeout=60, what="it encodes")
            yield child.pid
        finally:
            child.kill()


def _window(pid: int, wait: Callable[[], None]) -> Cost:
    with Peak(pid) as peak:
        began, before = time.monotonic(), cpu_seconds(pid)
        wait()
        cpu, lasted = cpu_seconds(pid) - before, time.monotonic() - began
    return Cost(cpu_per_minute=cpu / lasted * 60, memory_bytes=peak.peak_bytes)
