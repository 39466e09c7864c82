"""How many looping 720p channels two cores hold with no frame missing: services of their own, one folder of kept items, one server."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench.channel import channel
from bench.inputs import film
from bench.measure import cpu_seconds, memory_bytes
from bench.report import Table

from stands.flv_tail import missing
from stands.nginx_rtmp import NginxRtmp
from stands.service import Service
from stands.waiting import wait_until

CORES = (0, 1)
_FILMS = 3
_FILM_SECONDS = 20.0
_PROMISED = 20
_LADDER = (40, 60, 80, 120, 160, 200, 240)
"""How many channels, one step after the other, until a frame is missing."""
_TOGETHER = 5
"""So many start at the same time: starting is not what is measured."""
_SPARE_BYTES = 1_500_000_000
"""No step is begun that would leave the machine less memory than this."""
_CHANNEL_BYTES = 90_000_000
_LATE = re.compile(r"program was late.*?seconds=([\d.]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What so many channels did in one window."""

    channels: int
    seconds: float
    missing_pictures: int
    missing_sound: int
    on_slate: int
    """Channels that showed the slate."""
    dropped: int
    """Packets that outputs lost."""
    late_seconds: float
    cpu_per_channel_minute: float
    busy: float
    """Of both cores, all processes together: 1.0 is all."""
    memory_bytes: int

    @property
    def whole(self) -> bool:
        """Nothing was missing anywhere."""
        return not (self.missing_pictures or self.missing_sound or self.on_slate or self.dropped)


def measure(folder: Path, *, quick: bool) -> Table:
    """The promised number for long, then more and more of them until something breaks."""
    steps = ((2, 6.0), (3, 4.0)) if quick else ((_PROMISED, 300.0), *((count, 60.0) for count in _LADDER))
    films = [film(folder / "films" / f"film-{number}.mp4", seconds=_FILM_SECONDS) for number in range(_FILMS)]
    for number, one in enumerate(films):
        # Equal films in one library would be one copy.
        os.utime(one, (number, number))
    library = folder / "library"
    with (
        NginxRtmp(folder / "nginx-of-keeping") as server,
        channel(folder / "keeping", films, server.url("keeping"), **_settings(library)),
    ):
        wait_until(lambda: len(list(library.glob("*.flv"))) == _FILMS, timeout=300, what="all kept", every=0.5)
    loads: list[Load] = []
    stopped_by = ""
    with _on_two_cores():
        for channels, seconds in steps:
            if psutil.virtual_memory().available < channels * _CHANNEL_BYTES + _SPARE_BYTES:
                stopped_by = f"{channels} were not tried: the machine has not the memory for them."
                break
            loads.append(_load(folder / f"load-{channels}", films, library, channels, seconds))
            print(loads[-1], flush=True)
            if not loads[-1].whole:
                break
    return _table(loads, stopped_by)


def _settings(library: Path) -> dict[str, str]:
    return {"VIDEO_QUALITY": "720p", "LIBRARY_MAX_GB": "5", "LIBRARY_DIR": str(library)}


@contextmanager
def _on_two_cores() -> Iterator[None]:
    """Everything that is started from here on has two cores, the server included, however many the machine has."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(CORES) & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _load(folder: Path, films: list[Path], library: Path, channels: int, seconds: float) -> Load:
    folder.mkdir()
    services: list[Service] = []
    try:
        with NginxRtmp(folder / "nginx") as server, ExitStack() as running:
            for number in range(channels):
                place = folder / f"channel-{number}"
                services.append(
                    running.enter_context(channel(place, films, server.url(f"key-{number}"), **_settings(library)))
                )
                if len(services) % _TOGETHER == 0:
                    _wait_on_air(services[-_TOGETHER:])
            _wait_on_air(services)
            return _window(server, services, seconds)
    finally:
        shutil.rmtree(folder)


def _wait_on_air(services: list[Service]) -> None:
    for service in services:
        service.wait_on_air(timeout=120)


def _window(server: NginxRtmp, services: list[Service], seconds: float) -> Load:
    pids = [service.process.pid for service in services]
    spent, began, marks = sum(map(cpu_seconds, pids)), time.monotonic(), psutil.cpu_times()
    slates = [_slate_seconds(service) for service in services]
    logs = [len(service.log) for service in services]
    time.sleep(seconds)
    lasted, spent = time.monotonic() - began, sum(map(cpu_seconds, pids)) - spent
    idle = psutil.cpu_times().idle - marks.idle
    memory = sum(map(memory_bytes, pids))
    on_slate = sum(_slate_seconds(service) > before for service, before in zip(services, slates, strict=True))
    dropped = sum(_counted(service, "tg_video_streamer_output_dropped_packets_total") for service in services)
    late = [
        float(found) for service, at in zip(services, logs, strict=True) for found in _LATE.findall(service.log[at:])
    ]
    for service in services:
        service.stop()
    holes = [missing(record) for record in server.records()]
    assert len(holes) == len(services), "a stream was begun twice"  # noqa: S101 - a failed run must not become a number
    return Load(
        channels=len(services),
        seconds=lasted,
        missing_pictures=sum(pictures for pictures, _ in holes),
        missing_sound=sum(sound for _, sound in holes),
        on_slate=on_slate,
        dropped=round(dropped),
        late_seconds=sum(late),
        cpu_per_channel_minute=spent / lasted * 60 / len(services),
        busy=1 - idle / lasted / (os.cpu_count() or 1),
        memory_bytes=memory,
    )


def _slate_seconds(service: Service) -> float:
    return _counted(service, 'tg_video_streamer_program_seconds_total{level="slate"}')


def _counted(service: Service, name: str) -> float:
    """The sum of a metric's lines."""
    lines = [line for line in service.metrics().splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def _table(loads: list[Load], stopped_by: str) -> Table:
    held = max((load.channels for load in loads if load.whole), default=0)
    broke = next((load for load in loads if not load.whole), None)
    return Table(
        question="Channels on two cores, each a service of its own that loops kept 720p items to one RTMP server",
        columns=(
            *("channels", "window", "frames missing", "sound packets missing", "on slate", "late"),
            *("CPU s a minute, each", "both cores busy", "memory"),
        ),
        rows=tuple(
            (
                str(load.channels),
                f"{load.seconds:.0f} s",
                str(load.missing_pictures),
                str(load.missing_sound),
                str(load.on_slate),
                f"{load.late_seconds:.1f} s",
                f"{load.cpu_per_channel_minute:.2f}",
                f"{load.busy:.0%}",
                f"{load.memory_bytes / 1e9:.1f} GB",
            )
            for load in loads
        ),
        notes=(
            f"Held with nothing missing: {held}. {stopped_by or _first_broken(broke)}",
            (
                "Frames are counted in what the server has recorded. It runs on the same two cores, and whatever else "
                "the machine does is in `busy`. Memory is the proportional set size of all services."
            ),
        ),
    )


def _first_broken(load: Load | None) -> str:
    """What broke first, in words."""
    if load is None:
        return "Nothing broke up to there."
    what = [
        *(["programs came late"] if load.late_seconds else []),
        *(["outputs lost packets"] if load.dropped else []),
        *(["the slate was shown"] if load.on_slate else []),
        *(["frames were missing in the record"] if load.missing_pictures or load.missing_sound else []),
    ]
    return f"With {load.channels}: {', '.join(what)}."
