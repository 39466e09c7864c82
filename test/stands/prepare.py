"""Makes what the tests need and cannot make within a test's time: `scripts/test.sh` runs it before the tests.

Each step prints one line. What is there already costs nothing; a step that cannot be done names what will be skipped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from stands import clips, made, systemd_container
from stands.artefacts import make_light_release

SUITES = ("bookworm", "trixie")


def prepare() -> None:
    """Do all steps, one after the other."""
    made.remove_unused()
    for suite in SUITES:
        _step(f"a Debian {suite} to boot", partial(systemd_container.build, suite))
    with TemporaryDirectory() as folder:
        _step("long clips", lambda: clips.make_long_clips(Path(folder)))
        _step("a release", lambda: make_light_release(Path(folder) / "dist", "1.0"))


def _step(what: str, do: Callable[[], str | None]) -> None:
    _say(f"prepare: {what} …", end=" ")
    began = time.monotonic()
    reason = do()
    _say(f"tests are skipped: {reason}" if reason else f"ready ({time.monotonic() - began:.0f} s)")


def _say(text: str, *, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


if __name__ == "__main__":
    prepare()
