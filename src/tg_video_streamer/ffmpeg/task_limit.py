"""How many tasks (threads and processes) the host allows the service, and what saves them where they are few."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
from functools import cache
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_OF_THE_PROGRAM = 64
_OF_A_PROCESSOR = 32
"""ffmpeg starts up to a dozen threads for each processor that it may use, and a few feeds run at once."""
_numbers = itertools.count()


@cache
def task_limit() -> float:
    """The lowest limit on this process: TasksMax of its unit, a limit of its container, or of its user."""
    user = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    limits = [] if user == resource.RLIM_INFINITY or os.getuid() == 0 else [float(user)]
    return min([*limits, *_cgroup_limits(_OWN_CGROUPS, _CGROUPS)], default=float("inf"))


def are_scarce(limit: float, processors: int) -> bool:
    """Whether feeds with a thread for each purpose and processor would reach `limit`."""
    return limit < _OF_THE_PROGRAM + _OF_A_PROCESSOR * processors


def task_saving_prefix() -> tuple[str, ...]:
    """Words before a command that let it use one processor, and so start few threads; none where tasks are plenty."""
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(processors) < 2 or not are_scarce(task_limit(), len(processors)):
        return ()
    taskset = shutil.which("taskset")
    # In turn, so that two feeds share all processors.
    return () if taskset is None else (taskset, "-c", str(processors[next(_numbers) % len(processors)]))


def _cgroup_limits(own: Path, mounted: Path) -> list[float]:
    """The limits of the process's control groups and of all above them (cgroup v1 and v2)."""
    found: list[float] = []
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers not in {"", "pids"}:
            continue
        folder = (mounted / controllers if controllers else mounted) / path.lstrip("/")
        for group in (folder, *folder.parents):
            if group == mounted.parent:
                break
            found += _number(group / "pids.max")
    return found


def _number(file: Path) -> list[float]:
    """The number in a file; none where it is `max`, missing or closed."""
    try:
        text = file.read_text().strip()
    except OSError:
        return []
    return [float(text)] if text.isdecimal() else []
