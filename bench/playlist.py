"""How long 100,000 playlist lines take to load, flatten and shuffle, and what memory they hold: `python bench/playlist.py`."""

from __future__ import annotations

import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from tg_video_streamer.playlist.load import allowed_folders, load
from tg_video_streamer.playlist.order import OrderKind
from tg_video_streamer.playlist.rotation import Rotation

LINES = 100_000


def seconds(step: Callable[[], object]) -> float:
    """CPU seconds, the best of three: other work on the machine does not count."""
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        step()
        best = min(best, time.process_time() - started)
    return best


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "playlist.txt"
        path.write_text(
            "".join(f"films/season {n % 50}/episode {n}.mp4 | title=Episode {n} | start=5\n" for n in range(LINES))
        )
        allowed = allowed_folders(path)
        playlist = load(path, allowed)
        shuffled = Rotation(order=OrderKind.SHUFFLE, seed=1)
        shuffled.replace(playlist.items)
        print(f"| {LINES:,} lines | CPU seconds |")
        print("|---|---|")
        print(f"| load | {seconds(lambda: load(path, allowed)):.2f} |")
        print(f"| replace in the rotation | {seconds(lambda: shuffled.replace(playlist.items)):.2f} |")
        print(f"| first item of a shuffled round | {seconds(shuffled.rewind) + seconds(shuffled.peek):.2f} |")
        print(f"| nothing available | {seconds(lambda: shuffled.next_available(lambda _: False)):.2f} |")
        tracemalloc.start()
        kept = load(path, allowed)
        held, peak = tracemalloc.get_traced_memory()
        print(f"\nmemory: {held / 1e6:.0f} MB held, {peak / 1e6:.0f} MB at the peak, {len(kept.entries):,} entries")


if __name__ == "__main__":
    main()
