"""A disk of a few megabytes for one process: a tmpfs in a mount namespace of its own, which ends with the process."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parent.parent
_MOUNTED = 'mount -t tmpfs -o "size=$1" none "$2" && shift 2 && exec "$@"'


@cache
def _may_mount() -> bool:
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def on_small_disk(folder: Path, size: str, module: str, function: str) -> None:
    """Call `function(folder)` of `module`, with `folder` a disk of `size` (such as 8m); what it raises fails the test."""
    if not _may_mount():
        pytest.skip("only root may mount a small disk here")
    call = f"import sys, pathlib, {module}; {module}.{function}(pathlib.Path(sys.argv[1]))"
    command = ["unshare", "-m", "sh", "-c", _MOUNTED, "sh", size, str(folder)]
    command += [sys.executable, "-c", call, str(folder)]
    done = subprocess.run(command, cwd=_TESTS, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
