"""A day of a looping channel, in minutes: nothing drifts and nothing grows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stands.growth import Held, growth_bytes_per_hour, summary
from stands.looping_day import TESTS

WARM_UP_HOURS = 4.0
GROWTH_BYTES = 500_000
"""Over the twenty hours after the warm-up: less than one free list of the allocator."""


@pytest.mark.parametrize("hours", [0.1, pytest.param(24.0, marks=[pytest.mark.long, pytest.mark.timeout(1500)])])
def test_a_loop_of_cached_items_neither_drifts_nor_grows(hours: float, tmp_path: Path) -> None:
    """Each slot is filled once, lip sync stays within 11 ms, and memory, descriptors and threads do not grow."""
    command = [sys.executable, "-m", "stands.looping_day", str(tmp_path), str(hours)]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=1400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    *lines, last = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert last["hours"] >= hours
    assert (last["slot_faults"], last["other_levels"], last["gap_seconds"], last["failures"]) == (0, 0, 0, 0)
    assert last["skew_seconds"] <= 0.011
    assert abs(last["pictures"] / 25 - last["sound"] * 1024 / 48000) < 0.2
    print(last)  # noqa: T201 - the figures, for a reader of the log of a long run
    samples = [Held(**line) for line in lines if line["hours"] >= min(WARM_UP_HOURS, hours / 2)]
    if hours < WARM_UP_HOURS:
        return
    print(summary(samples))  # noqa: T201 - the same
    assert {one.children for one in samples} == {0}
    # A copy is open while it is read, or looked at: what is there at the least must not become more.
    held = [one.descriptors for one in samples]
    assert max(held) - min(held) <= 4
    assert min(held[-len(held) // 4 :]) <= min(held[: len(held) // 4])
    assert abs(growth_bytes_per_hour(samples)) * (hours - WARM_UP_HOURS) < GROWTH_BYTES
