"""That the benchmarks run: their figures are for `make bench` on a quiet machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.run import QUESTIONS

REPOSITORY = Path(__file__).resolve().parents[2]


def _bench(*arguments: str, timeout: float) -> str:
    command = [sys.executable, str(REPOSITORY / "bench" / "run.py"), "--quick", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_short_questions_are_answered() -> None:
    """The benchmarks that need no real time give their tables, each with a row for the project and for its rival."""
    told = _bench("playlist", "long", timeout=250)

    assert "| load |" in told
    assert "| ours |" in told
    assert "| ffmpeg concat" in told


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_question_is_answered() -> None:
    """Every benchmark gives its table in a quick run."""
    told = _bench(timeout=880)

    assert told.count("\n## ") + told.startswith("## ") == len(QUESTIONS)
