"""Large libraries: a start reads the index and not the sidecars, and lists thousands of encodes at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stands import cached

ENTRIES = 10_000
SECONDS = 1.0
"""To start and to list so many; measured here at 0.16 s."""


def _start_and_list(folder: Path, entries: int) -> float:
    began = time.perf_counter()
    library = cached.library(folder)
    assert len(library.encodes()) == entries
    took = time.perf_counter() - began
    assert library.problem is None
    library.close()
    return took


def test_a_start_does_not_read_what_is_indexed(tmp_path: Path) -> None:
    """A start with an index takes less than half of one that has to read every sidecar."""
    cached.fill(tmp_path, 1000)
    anew = _start_and_list(tmp_path, 1000)
    assert min(_start_and_list(tmp_path, 1000) for _ in range(3)) < anew / 2


@pytest.mark.long
def test_ten_thousand_copies_are_started_and_listed_within_a_second(tmp_path: Path) -> None:
    """The best of three starts with 10,000 encodes, their listing included, takes less than a second."""
    cached.fill(tmp_path, ENTRIES)
    _start_and_list(tmp_path, ENTRIES)
    assert min(_start_and_list(tmp_path, ENTRIES) for _ in range(3)) < SECONDS
