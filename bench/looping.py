"""What a looping 720p channel costs once everything is kept, beside `ffmpeg -c copy` of the same copies and those that encode."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.channel import channel
from bench.inputs import film
from bench.measure import Peak, cpu_seconds
from bench.report import Table
from bench.rivals import liquidsoap_command, vlc_command

from stands.house import house_of
from stands.nginx_rtmp import NginxRtmp
from stands.waiting import wait_until
from tg_video_streamer.ffmpeg.encode import audio_arguments, video_arguments

_HOUSE = house_of("720p")
_FILMS = 3
_FILM_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Of one window."""

    cpu_per_minute: float
    memory_bytes: int


def measure(folder: Path, *, quick: bool) -> Table:
    """Ours and the copying rival at the same time; then each of those that encode."""
    seconds = 20.0 if quick else 60.0
    films = [film(folder / "films" / f"film-{number}.mp4", seconds=_FILM_SECONDS) for number in range(_FILMS)]
    for number, one in enumerate(films):
        # Equal films in one library would be one copy.
        os.utime(one, (number, number))
    library = folder / "library"
    costs: dict[str, Cost] = {}
    with NginxRtmp(folder / "nginx") as server:
        _keep(folder / "keeping", films, library, server.url("keeping"))
        copies = _public(library, folder / "copies")
        with (
            channel(folder / "ours", films, server.url("ours"), **_settings(library)) as service,
            _concat(folder, copies, server.url("copy"), ["-c", "copy"]) as rival,
        ):
            service.wait_on_air(timeout=60)
            service.wait_for(lambda status: status["streams_played"] >= 2, timeout=60, what="the second item")
            costs |= _together(
                {"ours, the whole service": service.process.pid, "ffmpeg concat, `-c copy`": rival}, seconds
            )
            assert service.children() == [], "a child ran where all is kept"  # noqa: S101 - a failed run must not become a number
        encoders = {
            "ffmpeg concat, encoding": _concat(folder, copies, server.url("x264"), _encoding()),
            "VLC": _running(vlc_command(copies, server.url("vlc"), _HOUSE, loop=True)),
            "Liquidsoap": _running(liquidsoap_command(folder, copies, server.url("liquidsoap"), _HOUSE, loop=True)),
        }
        for name, run in encoders.items():
            with run as pid:
                wait_until(lambda pid=pid: cpu_seconds(pid) > 3.0, timeout=60, what=f"{name} encodes")  # type: ignore[misc]
                costs |= _together({name: pid}, seconds)
    return _table(costs, seconds)


def _table(costs: dict[str, Cost], seconds: float) -> Table:
    ours, floor = list(costs.values())[:2]
    return Table(
        question=f"A loop of {_FILMS} kept 720p items of {_FILM_SECONDS:g} s, windows of {seconds:g} s",
        columns=(
            "program",
            "CPU s a minute",
            "peak memory",
            "CPU in proportion to `-c copy`",
            "CPU in proportion to ours",
        ),
        rows=tuple(
            (
                name,
                f"{cost.cpu_per_minute:.2f}",
                f"{cost.memory_bytes / 1e6:.0f} MB",
                f"{cost.cpu_per_minute / floor.cpu_per_minute:.2f}",
                f"{cost.cpu_per_minute / ours.cpu_per_minute:.1f}",
            )
            for name, cost in costs.items()
        ),
        notes=(
            "Targets: at most 1.0 of `-c copy`, a fifteenth of those that encode, 150 MB. Ours and `-c copy` ran at the same time.",
            "All read the very copies that ours has kept. Ours is the whole service, its page, metrics and control included.",
        ),
    )


def _settings(library: Path) -> dict[str, str]:
    return {"VIDEO_QUALITY": "720p", "LIBRARY_MAX_GB": "5", "LIBRARY_DIR": str(library)}


def _keep(folder: Path, films: Sequence[Path], library: Path, url: str) -> None:
    with channel(folder, films, url, **_settings(library)):
        wait_until(lambda: len(list(library.glob("*.flv"))) == len(films), timeout=300, what="all kept", every=0.5)


def _public(library: Path, folder: Path) -> list[Path]:
    """The same copies for rivals that run as somebody else: the library is its owner's alone."""
    folder.mkdir()
    for copy in library.glob("*.flv"):
        shutil.copyfile(copy, folder / copy.name)
    return sorted(folder.iterdir())


def _together(pids: dict[str, int], seconds: float) -> dict[str, Cost]:
    peaks = {name: Peak(pid) for name, pid in pids.items()}
    for peak in peaks.values():
        peak.__enter__()
    began = time.monotonic()
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    spent = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    lasted = time.monotonic() - began
    for peak in peaks.values():
        peak.__exit__(None, None, None)
    return {
        name: Cost(cpu_per_minute=spent[name] / lasted * 60, memory_bytes=peak.peak_bytes)
        for name, peak in peaks.items()
    }


def _encoding() -> list[str]:
    return [*video_arguments(_HOUSE), *audio_arguments(_HOUSE)]


@contextmanager
def _running(command: Sequence[str]) -> Iterator[int]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            yield child.pid
        finally:
            child.kill()


@contextmanager
def _concat(folder: Path, copies: Sequence[Path], url: str, encoder: Sequence[str]) -> Iterator[int]:
    script = folder / "list.txt"
    script.write_text("".join(f"file '{copy}'\n" for copy in copies))
    command = ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-f", "concat", "-safe", "0"]
    with _running([*command, "-i", str(script), *encoder, "-f", "flv", url]) as pid:
        yield pid
