"""From the start of the process to media at the server, and to the first frame of the first item."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench.channel import channel
from bench.inputs import film
from bench.report import Table

from stands.house import house_of
from stands.nginx_rtmp import NginxRtmp
from stands.waiting import wait_until
from tg_video_streamer.ffmpeg.encode import audio_arguments, video_arguments

_HOUSE = house_of("720p")
_MEDIA_BYTES = 2000
"""More than metadata and codec headers: a picture is there."""


def measure(folder: Path, *, quick: bool) -> Table:
    """The very first start, then starts with what the first one has kept, beside one ffmpeg."""
    source = film(folder / "film" / "film.mp4", seconds=12.0)
    rounds = 2 if quick else 5
    with NginxRtmp(folder / "nginx") as server:
        first = _ours(folder / "service", source, server, "first")
        later, theirs = [], []
        for turn in range(rounds):
            later.append(_ours(folder / "service", source, server, f"ours-{turn}"))
            theirs.append(_ffmpeg(source, server, f"ffmpeg-{turn}"))
    media = statistics.median(one[0] for one in later)
    item = statistics.median(one[1] for one in later)
    floor = statistics.median(theirs)
    return Table(
        question="Process start to the first frame at the RTMP server, 720p that needs encoding",
        columns=("start", "first picture recorded", "first frame of the item on air"),
        rows=(
            ("ours, the very first (nothing cached)", f"{first[0]:.2f} s", f"{first[1]:.2f} s"),
            (f"ours, later ones (median of {rounds})", f"{media:.2f} s", f"{item:.2f} s"),
            (f"one ffmpeg that encodes it (median of {rounds})", f"{floor:.2f} s", f"{floor:.2f} s"),
        ),
        notes=(
            "Target: 1.5 s. The first picture is the item's own where it is ready within a second, else the slate's.",
            f"Later ones: pictures {_list(one[0] for one in later)}, items {_list(one[1] for one in later)} s.",
        ),
    )


def _list(numbers: object) -> str:
    return ", ".join(f"{number:.2f}" for number in numbers)  # type: ignore[attr-defined]  # any iterable of floats


def _ours(folder: Path, source: Path, server: NginxRtmp, key: str) -> tuple[float, float]:
    # A playlist position that was kept would start the item amid itself.
    began_bytes = server.recorded_bytes()
    log = folder / "service.log"
    log.unlink(missing_ok=True)
    began = time.monotonic()
    with channel(folder, [source], server.url(key), VIDEO_QUALITY="720p") as service:
        media = _until_media(server, began_bytes) - began
        wait_until(lambda: "source_level=item" in service.log, timeout=60, what="an item on air", every=0.01)
        item = time.monotonic() - began
        service.stop()
    return media, max(item, media)


def _ffmpeg(source: Path, server: NginxRtmp, key: str) -> float:
    command: Sequence[str] = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-re",
        "-i",
        str(source),
        "-vf",
        "scale=1280:720,fps=25",
    ]
    began_bytes = server.recorded_bytes()
    began = time.monotonic()
    encoder = [*video_arguments(_HOUSE), *audio_arguments(_HOUSE)]
    with subprocess.Popen([*command, *encoder, "-f", "flv", server.url(key)]) as child:
        try:
            return _until_media(server, began_bytes) - began
        finally:
            child.kill()


def _until_media(server: NginxRtmp, began_bytes: int) -> float:
    what = "a picture in the record"
    wait_until(lambda: server.recorded_bytes() - began_bytes > _MEDIA_BYTES, timeout=60, what=what, every=0.01)
    return time.monotonic()
