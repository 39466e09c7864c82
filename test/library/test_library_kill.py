"""kill -9 at any moment: the next start finds whole copies and an index that agrees with them, and nothing half-made."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stands import keeping_child, kept


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_a_killed_library_is_whole_at_the_next_start(tmp_path: Path, kills: int) -> None:
    """A process that keeps, plays, drops and prunes is killed at random moments; each time everything listed is whole."""
    dice = random.Random(kills)  # noqa: S311 - moments
    most = 0
    for seed in range(kills):
        command = [sys.executable, "-m", "stands.keeping_child", str(tmp_path), str(seed)]
        with subprocess.Popen(command, cwd=keeping_child.TESTS, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            try:
                assert child.stdout.readline() == "working\n"
                # The moment is to be anywhere in its work: there is nothing to wait for.
                time.sleep(dice.uniform(0.0, 0.3))
                assert child.poll() is None, "it ended by itself"
            finally:
                child.kill()
        most = max(most, _check(tmp_path))
    assert most > 3, "hardly anything was ever kept, so nothing is proved"


def _check(folder: Path) -> int:
    """How many copies there are, all of them whole."""
    library = kept.library(folder, max_bytes=keeping_child.MAX_BYTES)
    copies = library.copies()
    assert library.problem == ""
    verified = library.verify()
    assert (verified.whole, verified.damaged) == (len(copies), ())
    assert verified.bytes == library.bytes == sum(copy.path.stat().st_size for copy in copies)
    library.prune()
    assert library.bytes <= keeping_child.MAX_BYTES
    files = {path.name for path in folder.iterdir() if not path.name.startswith(("index.sqlite", ".lock"))}
    assert files == {f"{copy.key}.{kind}" for copy in library.copies() for kind in ("flv", "json")}
    assert not (folder / "index.damaged").exists(), "kill -9 must not damage the index"
    library.close()
    return len(copies)
