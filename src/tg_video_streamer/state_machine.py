"""State machines: one transition table each; a transition that the table does not list is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Generic, TypeVar

State = TypeVar("State", bound=StrEnum)
Transitions = Mapping[State, frozenset[State]]


class IllegalTransition(Exception):
    """A transition that the table does not list: a defect of the program."""


class StateMachine(Generic[State]):
    """A state that moves only along its table; `changed` is called with (old, new, why) after each move."""

    def __init__(
        self, table: Transitions[State], start: State, changed: Callable[[State, State, str], None] | None = None
    ) -> None:
        """`table` maps each state to those that may follow it."""
        self._table = table
        self._state = start
        self._changed = changed
        self.why = ""

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    def move(self, new: State, why: str = "") -> None:
        """Go to `new`; to stay is no move. Raises IllegalTransition where the table does not list it."""
        old = self._state
        self.why = why
        if new is old:
            return
        if new not in self._table[old]:
            raise IllegalTransition(f"{old} -> {new}")
        self._state = new
        if self._changed is not None:
            self._changed(old, new, why)
