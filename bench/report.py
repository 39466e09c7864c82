"""Tables of results in Markdown, and the facts of the machine that they were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One question and its answers, ours beside others'."""

    question: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    """How it was measured, one sentence each."""

    def markdown(self) -> str:
        """The section."""
        lines = [f"## {self.question}", ""]
        lines += [_row(self.columns), _row(("---",) * len(self.columns)), *map(_row, self.rows), ""]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join([*lines, ""])


def unanswered(name: str, reason: str) -> Table:
    """In the place of a table that could not be measured; it has no rows."""
    return Table(question=f"{name}: could not be measured", columns=("reason",), rows=(), notes=(reason,))


def heading(command: str, *, quick: bool, seconds: float, load_before: float, load_after: float) -> str:
    """When, where and how it was measured; nothing of it names the host."""
    kind = "a quick run: durations are too short for figures to be quoted" if quick else "a full run"
    return "\n".join(
        (
            "# Results",
            "",
            f"`{command}` on {datetime.now(UTC):%Y-%m-%d}, {kind}; it took {seconds / 60:.1f} minutes.",
            "",
            (
                f"- {os.cpu_count()} cores, {_cpu_model()}; {_memory_gigabytes():.1f} GB; "
                f"load average {load_before:.2f} before the run, {load_after:.2f} after it"
            ),
            (
                f"- {_first_line('ffmpeg', '-version')}; {_first_line('vlc', '--version', needs_user=True)}; "
                f"{_first_line('liquidsoap', '--version')}; Python {platform.python_version()}"
            ),
            "",
            "Each table has the rivals of its own run. CPU is user and system time of the whole tree of processes, the",
            "ended ones included; memory is the peak of its proportional set size. RTMP goes to nginx-rtmp on the loopback,",
            "whose cost counts for nobody.",
            "",
        )
    )


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


def _memory_gigabytes() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def _first_line(program: str, *arguments: str, needs_user: bool = False) -> str:
    command = [program, *arguments]
    if needs_user and os.geteuid() == 0:
        # It refuses to be run by root.
        command = ["setpriv", "--reuid=65534", "--clear-groups", "env", "HOME=/nonexistent", *command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return f"no {program}"
    words = (done.stdout.splitlines() or [f"no {program}"])[0].split()
    return " ".join(words[: 4 if program == "vlc" else 3])
