"""Kills a process before each single step with a file of a library: `python -m stands.killed_at_each_step FOLDER`.

Python tells an audit hook of every step before it is done, so no moment between two of them is left to chance.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path

from stands import cached

_STEPS = frozenset({"open", "os.rename", "os.remove", "os.scandir", "fcntl.flock", "sqlite3.connect"})


def _work(folder: Path, limit: int, last_step: int) -> None:
    """Keep, play, prune and drop; killed before its step `last_step`."""
    steps = 0

    def count(event: str, _arguments: object) -> None:
        nonlocal steps
        if event not in _STEPS:
            return
        steps += 1
        if steps == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    library = cached.library(folder, max_bytes=limit)
    one = cached.encode(library, cached.item("one"))
    sys.addaudithook(count)
    library.played(one)
    two = cached.encode(library, cached.item("two"))
    cached.encode(library, cached.item("three"))
    library.drop(two, "for a test")
    writer = library.begin(cached.item("four"), "four", "four")
    assert writer is not None
    writer.abandon()
    library.prune(wanted={one.key})
    library.close()
    cached.library(folder, max_bytes=limit // 2).prune()


def main(folder: Path) -> None:
    """Prints how many steps there were."""
    limit = 2 * cached.encode(cached.library(folder / "size"), cached.item("size")).bytes
    step = 0
    while True:
        step += 1
        place = folder / str(step)
        if (child := os.fork()) == 0:
            try:
                _work(place, limit, step)
            except BaseException:  # noqa: BLE001 - the fork must not go on as its parent
                traceback.print_exc(file=sys.stdout)
                sys.stdout.flush()
                os._exit(1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        cached.check_whole(place, limit)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, f"failed in step {step}"
            print(step - 1)  # noqa: T201 - that is its output
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
