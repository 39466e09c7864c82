"""What a viewer loses when the encoder dies and when the RTMP server goes away and comes back."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.channel import channel
from bench.inputs import numbered_clips
from bench.report import Table

from stands.nginx_rtmp import NginxRtmp
from stands.recording import frame_faults, read_recording, slot_faults
from stands.service import Service
from stands.waiting import wait_until

_FRAMES = 1500
_DOWN_SECONDS = 3.0


def measure_source(folder: Path, *, quick: bool) -> Table:
    """`kill -9` of the encoding child in the middle of an item."""
    kills = 1 if quick else 3
    (clip,) = numbered_clips(folder / "clips", 1, frames=_FRAMES)
    lowest, record_faults, seconds = _killed_feeds(folder, clip, kills)
    silence = _killed_ffmpeg(folder, clip)
    return Table(
        question=f"A source that dies amid its item: `kill -9` of the encoder, {kills} times",
        columns=("program", "frames missing", "the viewer sees", "buffer left at the lowest"),
        rows=(
            ("ours", str(record_faults), f"nothing of it, in {seconds:.0f} s recorded", f"{lowest:.1f} of 15 s"),
            (
                "ffmpeg -c copy in a loop of a shell",
                f"{silence * 25:.0f}",
                f"{silence:.2f} s of nothing, a new stream, the item from its beginning",
                "none",
            ),
        ),
        notes=("Frames missing: numbers absent from the recording, and slots of either grid without a packet.",),
    )


def _killed_feeds(folder: Path, clip: Path, kills: int) -> tuple[float, int, float]:
    lowest = 15.0
    with NginxRtmp(folder / "nginx-ours") as server:
        with channel(folder / "service", [clip], server.url(), VIDEO_QUALITY="480p") as service:
            for _ in range(kills):
                _wait_full(service)
                for feed in service.feeds():
                    feed.kill()
                wait_until(lambda: not service.feeds(), timeout=10, what="the encoder is gone", every=0.01)
                until = time.monotonic() + 2.0
                while time.monotonic() < until:
                    lowest = min(lowest, service.status()["buffer_seconds"])
                    time.sleep(0.02)
            _wait_full(service)
            service.stop()
        recording = read_recording(server.records()[0])
    faults = len(frame_faults(recording)) + len(slot_faults(recording))
    return lowest, faults, recording.video_times[-1]


def _wait_full(service: Service) -> None:
    service.wait_for(lambda status: status["buffer_seconds"] >= 14, timeout=60, what="a full buffer")


def _killed_ffmpeg(folder: Path, clip: Path) -> float:
    """Seconds without a byte at the server."""
    with NginxRtmp(folder / "nginx-ffmpeg") as server, _ffmpeg_loop(clip, server.url()) as loop:
        wait_until(lambda: server.recorded_bytes() > 50_000, timeout=30, what="the stream")
        records = len(server.records())
        (child,) = loop()
        os.kill(child, signal.SIGKILL)
        began = time.monotonic()
        wait_until(
            lambda: len(server.records()) > records and server.records()[-1].stat().st_size > 2000,
            timeout=30,
            what="the stream again",
            every=0.005,
        )
        return time.monotonic() - began


@contextmanager
def _ffmpeg_loop(clip: Path, url: str) -> Iterator[Callable[[], list[int]]]:
    """Ffmpeg that is started anew whenever it ends; gives what asks for its process id."""
    command = 'while :; do ffmpeg -nostdin -v quiet -re -stream_loop -1 -i "$1" -c copy -f flv "$2" & wait $!; done'
    with subprocess.Popen(["sh", "-c", command, "sh", str(clip), url], start_new_session=True, stderr=-3) as loop:
        try:
            yield lambda: [int(pid) for pid in Path(f"/proc/{loop.pid}/task/{loop.pid}/children").read_text().split()]
        finally:
            os.killpg(loop.pid, signal.SIGKILL)


def measure_server(folder: Path, *, quick: bool) -> Table:
    """The server is killed, stays away for a while, and returns."""
    rounds = 2 if quick else 5
    (clip,) = numbered_clips(folder / "clips", 1, frames=_FRAMES)
    rows: list[tuple[str, ...]] = []
    with NginxRtmp(folder / "nginx-ours") as server:
        with channel(folder / "service", [clip], server.url(), VIDEO_QUALITY="480p") as service:
            service.wait_on_air(timeout=60)
            times = [_returned(server) for _ in range(rounds)]
            gap = service.status()["gap_seconds"]
            service.stop()
        rows.append(("ours", _said(times), f"goes on by the clock, program gap {gap:g} s"))
    encoder = ["ffmpeg", "-nostdin", "-v", "quiet", "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy"]
    recovering = [
        "-map",
        "0",
        "-tag:v",
        "7",
        "-tag:a",
        "10",
        "-f",
        "fifo",
        "-fifo_format",
        "flv",
        "-drop_pkts_on_overflow",
        "1",
    ]
    recovering += ["-attempt_recovery", "1", "-recovery_wait_time", "1"]
    for name, words in (("ffmpeg `-f flv`", ["-f", "flv"]), ("ffmpeg `-f fifo -attempt_recovery 1`", recovering)):
        with NginxRtmp(folder / f"nginx-{len(rows)}") as server:
            rows.append((name, *_rival([*encoder, *words, server.url()], server, rounds)))
    return Table(
        question=f"The RTMP server is killed and back after {_DOWN_SECONDS:g} s",
        columns=("program", "seconds from its return until it is fed", "program"),
        rows=tuple(rows),
        notes=("Target: 2 s. Fed: its new recording has pictures.",),
    )


def _rival(command: Sequence[str], server: NginxRtmp, rounds: int) -> tuple[str, str]:
    with subprocess.Popen(command) as child:
        try:
            wait_until(lambda: server.recorded_bytes() > 20_000, timeout=30, what="the stream")
            times: list[float] = []
            for _ in range(rounds):
                try:
                    times.append(_returned(server, timeout=15))
                except AssertionError:
                    break
            if child.poll() is not None:
                return "never", f"ended with code {child.returncode}"
            return (_said(times), "goes on") if times else ("not within 15 s", "runs on, sends nothing")
        finally:
            child.kill()


def _said(times: list[float]) -> str:
    return f"{statistics.median(times):.2f} (median of {', '.join(f'{one:.2f}' for one in times)})"


def _returned(server: NginxRtmp, *, timeout: float = 30.0) -> float:
    """Kill it, start it again, and count."""
    records = len(server.records())
    server.stop()
    # How long it stays away is what is asked here, not something that could be waited for.
    time.sleep(_DOWN_SECONDS)
    server.start()
    began = time.monotonic()

    def fed() -> bool:
        now = server.records()
        return len(now) > records and now[-1].stat().st_size > 2000

    wait_until(fed, timeout=timeout, what="it is fed", every=0.01)
    seconds = time.monotonic() - began
    before = server.recorded_bytes()
    wait_until(lambda: server.recorded_bytes() > before + 20_000, timeout=30, what="more of the stream")
    return seconds
