"""Records what each test took in time and in computing; `make slowest` prints them."""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

_RECORD = Path(__file__).resolve().parents[2] / ".pytest_cache" / "timings.json"
_SHOWN = 30
_CPU = "cpu_seconds"
"""Workers send what is in the dictionary of a report."""
_spent = pytest.StashKey[float]()
_taken = pytest.StashKey[dict[str, list[float]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin a record."""
    config.stash[_spent] = _cpu_seconds()
    config.stash[_taken] = defaultdict(lambda: [0.0, 0.0])
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put on each report what was computed since the report before it."""
    report = yield
    now = _cpu_seconds()
    report.__dict__[_CPU] = now - item.config.stash[_spent]
    item.config.stash[_spent] = now
    return report


class _Collector:
    """Sums up, in the process that gets all reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._taken = config.stash[_taken]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test."""
        taken = self._taken[report.nodeid]
        taken[0] += report.duration
        taken[1] += report.__dict__.get(_CPU, 0.0)

    def pytest_sessionfinish(self) -> None:
        """Keep the record of a run that is more than one file."""
        if len({name.partition("::")[0] for name in self._taken}) > 1:
            _RECORD.parent.mkdir(exist_ok=True)
            _RECORD.write_text(json.dumps(self._taken))


def _cpu_seconds() -> float:
    """Of this process and of the children that it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def slowest() -> str:
    """A table of the slowest files and tests of the last run."""
    tests: dict[str, list[float]] = json.loads(_RECORD.read_text())
    files: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for name, (wall, cpu) in tests.items():
        file = files[name.partition("::")[0]]
        file[0] += wall
        file[1] += cpu
    total_wall, total_cpu = (sum(taken[at] for taken in tests.values()) for at in (0, 1))
    lines = [f"{len(tests)} tests: {total_wall:.0f} s in all workers together, {total_cpu:.0f} s of computing"]
    for title, taken in (("files", files), ("tests", tests)):
        lines += ["", f"  time  computing  the slowest {title}"]
        order = sorted(taken, key=lambda name: -taken[name][0])[:_SHOWN]
        lines += [f"{taken[name][0]:6.1f} {taken[name][1]:10.1f}  {name}" for name in order]
    return "\n".join(lines)


if __name__ == "__main__":
    if not _RECORD.exists():
        sys.exit("no run is recorded; run: make test")
    sys.stdout.write(slowest() + "\n")
