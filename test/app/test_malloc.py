"""One pool of the C library's allocator for all threads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_SCRIPT = """
import ctypes, sys, threading
from tg_video_streamer.app.run import share_one_arena
print(share_one_arena())
gate = threading.Barrier(9)
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
def work():
    gate.wait()
    library.malloc(100_000)
    gate.wait()
for _ in range(8): threading.Thread(target=work, daemon=True).start()
gate.wait(); gate.wait()
library.malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of another C library has no arenas")
@pytest.mark.parametrize("chosen", ["", "4"])
def test_threads_share_one_arena(chosen: str) -> None:
    """Eight threads that allocate at once leave one arena; MALLOC_ARENA_MAX of the operator counts where it is set."""
    environment = {key: value for key, value in os.environ.items() if key != "MALLOC_ARENA_MAX"}
    environment |= {"MALLOC_ARENA_MAX": chosen} if chosen else {}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == str(not chosen)
    arenas = sum(line.startswith("Arena ") for line in done.stderr.splitlines())
    assert arenas > 1 if chosen else arenas == 1, done.stderr
