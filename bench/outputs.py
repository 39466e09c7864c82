"""What an RTMP output costs: 60 s of 720p paced to nginx-rtmp by our handler, beside `ffmpeg -re -c copy` of the same.

Both run at the same time, each as a process of its own; CPU seconds are the kernel's for the whole process, start included.
Run it with `python bench/outputs.py`; a number sets other seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "test"))

from stands.nginx_rtmp import NginxRtmp
from stands.programme import Programme, encode_clip, read_clip
from tg_video_streamer.clock import SystemClock
from tg_video_streamer.ffmpeg.house import Quality, house_format
from tg_video_streamer.outputs.assemble import output_handler
from tg_video_streamer.outputs.target import parse_outputs

HOUSE = house_format(Quality.P720)
CLIP_SECONDS = 10


def publish(clip: str, url: str, seconds: float) -> None:
    """Our side, in a process of its own: the packets of `clip` in a loop, through the fan-out, to one output."""
    with Programme(read_clip(Path(clip), HOUSE)) as programme:
        (target,) = parse_outputs(url)
        handler = output_handler(
            target,
            fanout=programme.fanout,
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


def main() -> None:
    """Print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder, NginxRtmp(Path(folder) / "nginx") as server:
        encode_clip(Path(folder), HOUSE, seconds=CLIP_SECONDS)
        (clip,) = Path(folder).glob("clip-*.mkv")
        floor = ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip)]
        floor += ["-t", str(seconds), "-c", "copy", "-f", "flv", server.url("ffmpeg")]
        ours = [sys.executable, __file__, "--publish", str(clip)]
        start = cost(subprocess.Popen([*ours, server.url("start"), "0.2"]))
        started = [
            ("ffmpeg -re -c copy", subprocess.Popen(floor)),
            ("ours", subprocess.Popen([*ours, server.url("ours"), str(seconds)])),
        ]
        print(f"{seconds:g} s of 720p to nginx-rtmp      CPU s")
        for name, process in started:
            print(f"{name:32} {cost(process):6.2f}")
        print(f"{'of which start and imports':32} {start:6.2f}")
        for path in server.records():
            print(f"recorded by nginx: {path.name.split('-')[0]:10} {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--publish"]:
        publish(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        main()
