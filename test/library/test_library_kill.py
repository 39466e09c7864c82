"""After kill -9 at any moment the next start finds whole encodes, a matching index, and no unfinished file."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stands import cached, library_child


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_a_killed_library_is_whole_at_the_next_start(tmp_path: Path, kills: int) -> None:
    """A process that caches, plays, drops and prunes is killed at random moments; each time all listed encodes are whole."""
    dice = random.Random(kills)  # noqa: S311 - moments
    most = 0
    for seed in range(kills):
        command = [sys.executable, "-m", "stands.library_child", str(tmp_path), str(seed)]
        with subprocess.Popen(command, cwd=library_child.TESTS, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            try:
                assert child.stdout.readline() == "working\n"
                # The moment is to be anywhere in its work: there is nothing to wait for.
                time.sleep(dice.uniform(0.0, 0.3))
                assert child.poll() is None, "it ended by itself"
            finally:
                child.kill()
        most = max(most, cached.check_whole(tmp_path, library_child.MAX_BYTES))
    assert most > 3, "hardly anything was ever cached, so nothing is proved"


def test_a_library_killed_before_any_of_its_steps_is_whole(tmp_path: Path) -> None:
    """A kill before each file operation, from the first of caching to the last of pruning, leaves whole encodes only."""
    command = [sys.executable, "-m", "stands.killed_at_each_step", str(tmp_path)]
    done = subprocess.run(command, cwd=library_child.TESTS, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.splitlines()[-1]) > 30, "so many steps there are at least"
