"""What a tree of processes costs: CPU seconds of all its members, the ended ones included, and its memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

from stands.looking import Looking

_TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """`pid` and all that it has started, at every depth."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree so far: of the living, and of the dead that their parents have reaped (proc(5))."""
    ticks = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            # utime, stime, cutime, cstime
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS


def memory_bytes(pid: int) -> int:
    """Proportional set size of the tree: what processes share counts once."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


class Peak(Looking):
    """A context that samples the memory of a tree; `peak_bytes` is the most that was seen."""

    def __init__(self, pid: int, *, every_seconds: float = 0.5) -> None:
        super().__init__(self._sample, every_seconds=every_seconds)
        self._pid = pid
        self.peak_bytes = memory_bytes(pid)

    def _sample(self) -> None:
        self.peak_bytes = max(self.peak_bytes, memory_bytes(self._pid))
