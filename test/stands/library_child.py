"""A process that caches, plays and prunes encodes in a small library until it is killed: `python -m stands.library_child FOLDER SEED`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from stands import cached

TESTS = Path(__file__).resolve().parent.parent
"""The folder to start it in."""
MAX_BYTES = 400_000
"""About ten encodes."""


def work(folder: Path, seed: int) -> None:
    """Until it is killed."""
    dice = random.Random(seed)  # noqa: S311 - what it does next
    library = cached.library(folder, max_bytes=MAX_BYTES)
    print("working", flush=True)  # noqa: T201 - that is what the test waits for
    while True:
        item = cached.item(str(dice.randrange(40)))
        library.answered(item, item.locator, title=item.title, duration_seconds=4.8)
        if (encode := library.find(item, item.locator)) is not None:
            library.played(encode)
            if dice.random() < 0.2:
                library.drop(encode, "chance")
        elif (writer := library.begin(item, item.locator, item.title)) is not None:
            for packet in cached.packets(frames=dice.randrange(1, 120), frame_bytes=300):
                writer.add(packet)
            writer.commit() if dice.random() < 0.9 else writer.abandon()
        if dice.random() < 0.3:
            library.prune(wanted={encode.key for encode in library.encodes()[:2]})


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]))
