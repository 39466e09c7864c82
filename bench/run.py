"""Measures all that the project promises in numbers, each beside its rivals in one run: `make bench`, into bench/RESULTS.md.

`make bench ARGS=--quick` takes short runs, whose figures say little; `ARGS="transitions start"` asks only these questions.
A run that is quick or partial prints its tables and leaves bench/RESULTS.md alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.report import Table, heading, unanswered

from bench import (
    call,
    channels,
    control_room,
    dead,
    encoding,
    fleet,
    intake,
    leases,
    long_program,
    looping,
    outputs,
    playlist,
    preparing,
    quality,
    recovery,
    starting,
    telegram,
    transitions,
)

RESULTS = Path(__file__).resolve().with_name("RESULTS.md")
QUESTIONS: dict[str, Callable[..., Table]] = {
    "transitions": transitions.measure,
    "encoding": encoding.measure,
    "looping": looping.measure,
    "channels": channels.measure,
    "prepare": preparing.measure,
    "quality": quality.measure,
    "outputs": outputs.measure,
    "start": starting.measure,
    "intake": intake.measure,
    "source": recovery.measure_source,
    "server": recovery.measure_server,
    "playlist": playlist.measure,
    "dead": dead.measure,
    "long": long_program.measure,
    "call": call.measure,
    "telegram": telegram.measure,
    "control": control_room.measure,
    "fleet": fleet.measure,
    "leases": leases.measure,
}
"""Each gets an empty folder and `quick`."""


def measured(names: Sequence[str], *, quick: bool, command: str) -> tuple[str, bool]:
    """The whole report, as Markdown, and whether every question has its answer."""
    began, load_before = time.monotonic(), os.getloadavg()[0]
    tables = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            # A rival that must not run as root reads its clips as somebody else.
            Path(folder).chmod(0o755)
            try:
                tables.append(QUESTIONS[name](Path(folder), quick=quick))
            except (AssertionError, subprocess.SubprocessError, OSError) as error:
                # One question without an answer must not cost the others theirs; the report says so in its place.
                print(error, file=sys.stderr, flush=True)
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                tables.append(unanswered(name, reason.replace(folder, "FOLDER")))
        print(tables[-1].markdown(), flush=True)
    top = heading(
        command,
        quick=quick,
        seconds=time.monotonic() - began,
        load_before=load_before,
        load_after=os.getloadavg()[0],
    )
    report = "\n".join([top, *(table.markdown() for table in tables)])
    return report, all(table.rows for table in tables)


def main() -> None:
    """Ask the questions; write the report of a full run."""
    parser = argparse.ArgumentParser(description="Measure, each number beside its rival's, into bench/RESULTS.md.")
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=f"only these of: {chr(32).join(QUESTIONS)}")
    parser.add_argument("--quick", action="store_true", help="short runs, to see that it works")
    arguments = parser.parse_args()
    if unknown := set(arguments.questions) - set(QUESTIONS):
        parser.error(f"no such question: {', '.join(sorted(unknown))}")
    names = arguments.questions or list(QUESTIONS)
    report, whole = measured(names, quick=arguments.quick, command=" ".join(["make bench", *_given()]))
    if not arguments.quick and len(names) == len(QUESTIONS):
        RESULTS.write_text(report)
        print(f"written: {RESULTS.name}")
    if not whole:
        sys.exit("a question has no answer: is the machine busy with something else?")


def _given() -> list[str]:
    return [f'ARGS="{" ".join(sys.argv[1:])}"'] if sys.argv[1:] else []


if __name__ == "__main__":
    main()
