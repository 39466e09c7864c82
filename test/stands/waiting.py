"""Waiting for facts instead of sleeping: the only place in the tests that polls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Fact = TypeVar("Fact")


def wait_until(condition: Callable[[], Fact], *, timeout: float = 60.0, what: str = "", every: float = 0.02) -> Fact:
    """The first truthy answer of `condition`; AssertionError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (fact := condition()):
        assert time.monotonic() < deadline, f"after {timeout:g} s still not: {what or condition}"
        time.sleep(every)
    return fact
