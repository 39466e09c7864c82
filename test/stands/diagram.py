"""The transitions that a docstring draws, a line a state: `handshake → connecting ended`."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

State = TypeVar("State", bound=StrEnum)


def drawn(docstring: str | None, states: type[State]) -> dict[State, frozenset[State]]:
    """What follows each state that has a line."""
    rows = [line.split("→") for line in (docstring or "").splitlines() if "→" in line]
    return {states(before.strip()): frozenset(map(states, after.split())) for before, after in rows}
