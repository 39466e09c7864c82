"""What the video chat costs: 720p25 through the worker to a far end, its CPU and memory, and the time from login to picture.

Run it with `python bench/call.py`, or with `--quick`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import Peak, cpu_seconds, memory_bytes
from bench.report import Table

from stands.house import house_of
from stands.program import Clip, encode_clip
from stands.video_chat import VideoChat
from stands.waiting import wait_until

MOST_CPU_PER_CENT, MOST_MEGABYTES, MOST_SECONDS = 45, 200, 2.0


def measure(folder: Path, *, quick: bool) -> Table:
    """The table; half a minute on air, ten seconds where it must be quick."""
    seconds = 10.0 if quick else 30.0
    clip = encode_clip(folder, house_of("720p"), seconds=10)
    to_picture = first_picture(clip)
    with VideoChat(clip) as chat:
        chat.handler.start()
        chat.on_air()
        pid = chat.worker()
        with Peak(pid) as peak:
            cpu, start = cpu_seconds(pid), time.monotonic()
            time.sleep(seconds)
            share = (cpu_seconds(pid) - cpu) / (time.monotonic() - start)
            memory = memory_bytes(pid)
        layers = chat.sfu.sizes()
    rows = (
        ("worker, CPU of one core", f"{share:.0%}", f"{MOST_CPU_PER_CENT} %"),
        ("worker, memory at the end", f"{memory / 1e6:.0f} MB", ""),
        ("worker, most memory", f"{peak.peak_bytes / 1e6:.0f} MB", f"{MOST_MEGABYTES} MB"),
        ("login to the first picture at the far end", f"{to_picture:.2f} s", f"{MOST_SECONDS:g} s"),
    )
    return Table(
        question="What does the video chat cost?",
        columns=("720p25 to a far end on the loopback", "measured", "at most"),
        rows=rows,
        notes=(
            f"{seconds:g} s on air; packets that came by layer, smallest first: {layers}.",
            "Memory is the proportional set size; the login is a session string that exists, as at a start.",
        ),
    )


def first_picture(clip: Clip) -> float:
    """Seconds from the start of connecting to Telegram to the first packet at the far end."""
    with VideoChat(clip) as chat:
        chat.handler.start()
        wait_until(lambda: any(chat.sfu.sizes()), timeout=30, every=0.01, what="a picture")
        return time.monotonic() - chat.connecting_at


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print(measure(Path(folder), quick="--quick" in sys.argv).markdown())


if __name__ == "__main__":
    main()
