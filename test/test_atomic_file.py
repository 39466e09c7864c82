"""A file that is replaced: old or new and whole at any moment, private from its first byte, and untouched where that fails."""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from tg_video_streamer.atomic_file import replace_file

OLD, NEW = b"old" * 1000, b"new" * 2000
_STEPS = frozenset({"open", "os.rename", "os.remove"})


def _killed_before_step(path: Path, number: int) -> bool:
    """Replace the file in a child that is killed before its step `number`; False where it has fewer steps."""
    if (child := os.fork()) == 0:
        steps = 0

        def count(event: str, _arguments: object) -> None:
            nonlocal steps
            steps += event in _STEPS
            if event in _STEPS and steps == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        replace_file(path, NEW)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_kill_at_any_step_leaves_old_or_new(tmp_path: Path) -> None:
    """Killed before each of its steps, the file is the old one or the new one; the next write succeeds."""
    path = tmp_path / "state"
    found = set()
    number = 1
    while True:
        path.write_bytes(OLD)
        killed = _killed_before_step(path, number)
        found.add(path.read_bytes())
        assert found <= {OLD, NEW}
        replace_file(path, NEW)
        assert path.read_bytes() == NEW
        if not killed:
            break
        number += 1
    assert found == {OLD, NEW}


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """A disk that takes nothing is an OSError; the old file stays and nothing is left next to it."""
    path = tmp_path / "state"
    path.write_bytes(OLD)
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        try:
            replace_file(path, NEW)
        except OSError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert (path.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (OLD, ["state"])


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_the_mode_is_the_given_one_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    """Secrets are private, and what others read is readable, under any umask."""
    path = tmp_path / "state"
    before = os.umask(0o077)
    try:
        replace_file(path, NEW, mode=mode)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


def test_a_link_in_the_temporary_files_place_is_not_followed(tmp_path: Path) -> None:
    """A link that someone plants where the temporary file goes leads nowhere."""
    path, victim = tmp_path / "state", tmp_path / "victim"
    victim.write_bytes(OLD)
    (tmp_path / f".state.{os.getpid()}").symlink_to(victim)
    replace_file(path, NEW)
    assert (path.read_bytes(), victim.read_bytes()) == (NEW, OLD)
