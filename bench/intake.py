"""Items of a site that throttles: slate, time from skip to picture, speed of the download, memory of the main process."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench.report import Table

from stands.nginx_rtmp import NginxRtmp
from stands.numbered import Plan, make_clip
from stands.service import Service, running
from stands.spooling import spooling, url_item
from stands.throttling_site import ThrottlingSite

_NOISY = ("-vf", "noise=alls=24:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2M", "-g", "25")
_DOWNLOAD_BYTES = 400_000_000
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Aired:
    slate_seconds: float
    """After the first item was on air."""
    program_seconds: float
    skip_seconds: float
    memory_bytes: int
    """Of the main process at its peak."""


def measure(folder: Path, *, quick: bool) -> Table:
    """The service with and without its spool, and yt-dlp's own downloader."""
    count, seconds = (2, 8) if quick else (10, 60)
    clips = folder / "clips"
    clips.mkdir()
    for number, name in enumerate([*(f"{number:02}" for number in range(1, count + 1)), "late"], start=1):
        plan = Plan(item_id=number, frames=seconds * 25, encoder=(*_NOISY, "-pix_fmt", "yuv420p"))
        make_clip(clips / f"{name}.mp4", plan, extra=("-movflags", "+faststart"))
    with_spool = _air(folder / "with", clips, count, spool_gigabytes=5)
    without = _air(folder / "without", clips, count, spool_gigabytes=0)
    ours, alone = _downloads(folder, _DOWNLOAD_BYTES // 10 if quick else _DOWNLOAD_BYTES)
    rows = [
        _row("ours, with the spool", with_spool, f"{ours / 1e6:.0f} MB/s ({ours / alone:.2f} of yt-dlp)"),
        _row("ours, SPOOL_MAX_GB=0", without, "-"),
        ("yt-dlp alone", "-", "-", f"{alone / 1e6:.0f} MB/s", "-"),
    ]
    return Table(
        question=f"Intake: {count} items of {seconds} s at 720p from a site that throttles",
        columns=(
            "program",
            "slate after the first picture, or after 60 s",
            "skip to an item not downloaded",
            "download",
            "memory",
        ),
        rows=tuple(rows),
        notes=(
            "The site gives a player 40 kB/s after its first 150 kB, and ranges of up to 10 MiB at full speed.",
            "Download: page and media together, from the start of the process to the last byte; one file.",
            "Memory: the peak of the proportional set size of the main process.",
        ),
    )


def _row(name: str, aired: _Aired, download: str) -> tuple[str, ...]:
    slate = f"{aired.slate_seconds:.1f} of {aired.program_seconds:.0f} s"
    skip = f"{aired.skip_seconds:.1f} s" if aired.skip_seconds >= 0 else "not within 60 s"
    return name, slate, skip, download, f"{aired.memory_bytes / 1e6:.0f} MB"


def _air(folder: Path, clips: Path, count: int, *, spool_gigabytes: int) -> _Aired:
    folder.mkdir()
    with ThrottlingSite(clips) as site, NginxRtmp(folder / "nginx") as server:
        playlist = folder / "playlist.txt"
        playlist.write_text("".join(f"{site.page_url(f'{number:02}.mp4')}\n" for number in range(1, count + 1)))
        values = {
            "PLAYLIST": str(playlist),
            "OUTPUTS": server.url("bench"),
            "FFMPEG_ARGS": "-preset ultrafast",
            "SPOOL_MAX_GB": str(spool_gigabytes),
        }
        with running(folder / "service", values) as service:
            _wait_for_picture(service)
            before = _slate_seconds(service)
            began, memory = service.status()["program_seconds"], 0
            # As long as the items last, and no longer for a program that shows slate instead.
            until = time.monotonic() + _program_seconds(clips, count)
            while time.monotonic() < until:
                memory = max(memory, psutil.Process(service.process.pid).memory_full_info().pss)
                time.sleep(1)
            slate = _slate_seconds(service) - before
            ended = service.status()["program_seconds"]
            skip = _skip(service, playlist, site.page_url("late.mp4"))
        return _Aired(slate_seconds=slate, program_seconds=ended - began, skip_seconds=skip, memory_bytes=memory)


def _wait_for_picture(service: Service) -> None:
    """Until an item is on air, or so long that none will be."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until and service.status().get("level") != "item":
        time.sleep(0.1)


def _program_seconds(clips: Path, count: int) -> float:
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]
    lengths = [
        subprocess.run([*probe, str(clips / f"{number:02}.mp4")], capture_output=True, text=True, check=True).stdout
        for number in range(1, count + 1)
    ]
    return sum(map(float, lengths))


def _slate_seconds(service: Service) -> float:
    found = re.search(r'program_seconds_total\{level="slate"\} ([\d.e+]+)', service.metrics())
    return float(found[1]) if found else 0.0


def _skip(service: Service, playlist: Path, url: str) -> float:
    """Seconds from the commands `reload` and `skip` to the picture of an unknown item; negative where it does not come."""
    playlist.write_text(f"{url}\n")
    began = time.monotonic()
    service.command("reload")
    service.command("skip")
    while time.monotonic() - began < _PATIENCE_SECONDS:
        status = service.status()
        if status and status["level"] == "item" and status["now"] and "late" in status["now"]["title"]:
            return time.monotonic() - began
        time.sleep(0.1)
    return -1.0


def _downloads(folder: Path, size: int) -> tuple[float, float]:
    """Bytes a second of our spool and of yt-dlp's command line, the best of three of each."""
    served = folder / "served"
    served.mkdir()
    with (served / "large.mp4").open("wb") as file:
        file.truncate(size)
    with ThrottlingSite(served) as site:
        url = site.url("large.mp4")
        ours, alone = [], []
        for number in range(3):
            began = time.monotonic()
            target = folder / f"spooled-{number}"
            target.mkdir()
            asyncio.run(_spooled(target, url))
            ours.append(size / (time.monotonic() - began))
            began = time.monotonic()
            words = ["--ignore-config", "--quiet", "--http-chunk-size=10M", f"--output={folder}/alone-{number}.mp4"]
            subprocess.run([sys.executable, "-m", "yt_dlp", *words, url], check=True, timeout=300)
            alone.append(size / (time.monotonic() - began))
    return max(ours), max(alone)


async def _spooled(folder: Path, url: str) -> None:
    item = url_item(url)
    async with spooling(folder, wanted=[item]) as spool:
        await spool.whole(item, seconds=300)
