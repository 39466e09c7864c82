"""How long a channel of two hosts is off the air: after the death of a host, and in a planned move."""

from __future__ import annotations

import signal
import statistics
import threading
import time
from pathlib import Path
from typing import Self

from bench.report import Table

from stands.fleet import CHANNEL, FleetStand
from stands.nginx_rtmp import NginxRtmp
from stands.numbered import Plan, make_clip
from stands.service import Service

_LOOK_SECONDS = 0.005


class Arrivals:
    """When media arrived at the server, as its records grow."""

    def __init__(self, server: NginxRtmp) -> None:
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._last = time.monotonic()
        self._gap = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def longest(self) -> float:
        """The longest time without media since the last question."""
        with self._lock:
            found, self._gap = self._gap, 0.0
            return found

    def _watch(self) -> None:
        size = 0
        while not self._ended.wait(_LOOK_SECONDS):
            grown = self._server.recorded_bytes()
            if grown == size:
                continue
            now, size = time.monotonic(), grown
            with self._lock:
                self._gap = max(self._gap, now - self._last)
            self._last = now


def measure(folder: Path, *, quick: bool) -> Table:
    """Kill, restart and move in turn; every gap is measured at the RTMP server."""
    times = 2 if quick else 15
    clips = [make_clip(folder / f"{number}.mp4", Plan(item_id=number, frames=1500)) for number in (1, 2)]
    deaths, moves = [], []
    with FleetStand(folder, clips, LIBRARY_MAX_GB="1") as stand, Arrivals(stand.rtmp) as arrivals:
        holder = stand.host("a")
        holder.wait_on_air()
        other = stand.host("b")
        for _ in range(times):
            _settled(holder, other)
            arrivals.longest()
            moved = holder.command("fleet", "move", CHANNEL, other.settings["HOST_NAME"])
            if moved.returncode != 0:
                raise AssertionError(moved.stderr)
            holder, other = other, holder
            _settled(holder, other)
            moves.append(arrivals.longest())
            holder.process.send_signal(signal.SIGKILL)
            holder.process.wait()
            holder, other = other, holder
            holder.wait_on_air()
            other.start()
            _settled(holder, other)
            deaths.append(arrivals.longest())
        second = stand.rtmp.log().count("already publishing")
    rows = [
        (name, str(len(gaps)), f"{statistics.median(gaps):.2f} s", f"{max(gaps):.2f} s")
        for name, gaps in (("the host on air is killed", deaths), ("`fleet move`", moves))
    ]
    return Table(
        question="A channel of two hosts",
        columns=("what happens", "times", "without media, median", "longest"),
        rows=tuple(rows),
        notes=(
            "Targets: after a death at most 10 s, median 7.5 s; a planned move at most 1 s.",
            "Both hosts, one NATS server and nginx-rtmp on this machine; media is taken to arrive when a record grows.",
            f"A second publisher was refused {second} times.",
        ),
    )


def _settled(holder: Service, other: Service) -> None:
    """One on air for a second, the other one standing by for it."""
    name = holder.settings["HOST_NAME"]
    holder.wait_for(lambda status: status["outputs"][0]["state"] == "on_air", what=f"{name} is on air")
    other.wait_for(lambda status: status["fleet"]["holder"] == name, what=f"a standby for {name}")
    time.sleep(1.0)
