"""How long 100,000 playlist lines take to load, flatten and shuffle, and what memory they hold: `python bench/playlist.py`."""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.report import Table

from tg_video_streamer.playlist.item import Item
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


def _first_of_round(shuffled: Rotation, items: Sequence[Item]) -> None:
    shuffled.replace(items)
    shuffled.peek()


def measure(folder: Path, *, quick: bool) -> Table:
    """Ours alone: no rival keeps such a list."""
    lines = LINES // 10 if quick else LINES
    path = folder / "playlist.txt"
    path.write_text(
        "".join(f"films/season {n % 50}/episode {n}.mp4 | title=Episode {n} | start=5\n" for n in range(lines))
    )
    allowed = allowed_folders(path)
    playlist = load(path, allowed)
    shuffled = Rotation(order=OrderKind.SHUFFLE, seed=1)
    shuffled.replace(playlist.items)
    rows = (
        ("load", seconds(lambda: load(path, allowed))),
        ("replace in the rotation", seconds(lambda: shuffled.replace(playlist.items))),
        ("first item of a shuffled round", seconds(lambda: _first_of_round(shuffled, playlist.items))),
        ("nothing available", seconds(lambda: shuffled.next_available(lambda _: False))),
    )
    tracemalloc.start()
    kept = load(path, allowed)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Table(
        question=f"A playlist of {lines:,} lines",
        columns=("step", "CPU s (best of three)"),
        rows=tuple((name, f"{cost:.2f}") for name, cost in rows),
        notes=(
            "Targets: loaded in under 1 s and under 100 MB.",
            f"Memory: {held / 1e6:.0f} MB held, {peak / 1e6:.0f} MB at the peak, {len(kept.entries):,} entries.",
        ),
    )


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        print(measure(Path(folder), quick=False).markdown())


if __name__ == "__main__":
    main()
