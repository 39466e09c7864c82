"""What an RTMP output costs: 60 s of 720p paced to nginx-rtmp by our handler, beside `ffmpeg -re -c copy` of the same.

Both run at the same time, each as a process of its own; CPU seconds are the kernel's for the whole process, start included.
Run it alone with `python bench/outputs.py [--quick]`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.report import Table

from stands.house import house_of
from stands.nginx_rtmp import NginxRtmp
from stands.program import Program, encode_clip, read_clip
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.outputs.factory import output_handler
from tg_video_streamer.outputs.target import parse_outputs

HOUSE = house_of("720p")
CLIP_SECONDS = 10


def publish(clip: str, url: str, seconds: float) -> None:
    """Our side, in a process of its own: the packets of `clip` in a loop, through the fan-out, to one output."""
    with Program(read_clip(Path(clip), HOUSE)) as program:
        (target,) = parse_outputs(url)
        handler = output_handler(
            target,
            fanout=program.fanout,
            publish=lambda _event: None,
            clock=SystemClock(),
            house=HOUSE,
            ffmpeg=Path("ffmpeg"),
        )
        handler.start()
        time.sleep(seconds)
        handler.stop()


def cost(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a process, once it has ended."""
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = code
    assert code == 0, f"ended with {code}"  # noqa: S101 - a failed run must not become a number
    return usage.ru_utime + usage.ru_stime


def measure(folder: Path, *, quick: bool) -> Table:
    """Both at the same time."""
    seconds = 5.0 if quick else 60.0
    with NginxRtmp(folder / "nginx") as server:
        encode_clip(folder, HOUSE, seconds=CLIP_SECONDS)
        (clip,) = folder.glob("clip-*.mkv")
        floor = ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip)]
        floor += ["-t", str(seconds), "-c", "copy", "-f", "flv", server.url("ffmpeg")]
        ours = [sys.executable, __file__, "--publish", str(clip)]
        start = cost(subprocess.Popen([*ours, server.url("start"), "0.2"]))
        theirs_running = subprocess.Popen(floor)
        ours_running = subprocess.Popen([*ours, server.url("ours"), str(seconds)])
        theirs, whole = cost(theirs_running), cost(ours_running)
        sizes = [path.stat().st_size / 1e6 for path in server.records() if not path.name.startswith("start")]
    running = max(0.0, whole - start)
    return Table(
        question=f"One RTMP output of packets that are ready: {seconds:g} s of 720p",
        columns=("program", "CPU s", "in proportion"),
        rows=(
            ("ours", f"{running:.2f}", f"{running / theirs:.2f}"),
            ("ffmpeg -re -c copy", f"{theirs:.2f}", "1.00"),
        ),
        notes=(
            f"Both at the same time. Ours without start and imports ({start:.2f} s, once a process), ffmpeg with its own.",
            f"Recorded by the server: {' and '.join(f'{size:.1f} MB' for size in sorted(sizes))}.",
        ),
    )


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print(measure(Path(folder), quick="--quick" in sys.argv).markdown())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--publish"]:
        publish(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        main()
