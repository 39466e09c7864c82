"""Calls who has subscribed to something: in order, each without harm from another's failure, until it unsubscribes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

import structlog

log = structlog.get_logger(__name__)

Values = ParamSpec("Values")


class Subscribers(Generic[Values]):
    """For one thread; a subscriber may come or go while all are called."""

    def __init__(self, failed: Callable[[str, Exception], None] = lambda _name, _error: None) -> None:
        """`failed` is called with the name and the error of each subscriber that fails."""
        self._all: list[Callable[Values, None]] = []
        self.failed = failed

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all)

    def add(self, subscriber: Callable[Values, None]) -> Callable[[], None]:
        """Call `subscriber` from now on; the returned function ends that, and may be called twice."""
        # One entry for each subscription, though two may have the same function.
        entry = _Entry(subscriber)
        self._all.append(entry)

        def undo() -> None:
            if entry in self._all:
                self._all.remove(entry)

        return undo

    def call(self, *args: Values.args, **kwargs: Values.kwargs) -> None:
        """Call each of them; a failure is logged as a defect of the program, and the others are called all the same."""
        for subscriber in tuple(self._all):
            try:
                subscriber(*args, **kwargs)
            except Exception as error:
                log.exception("a subscriber failed; this is a defect of the program", subscriber=str(subscriber))
                self.failed(f"subscriber {subscriber}", error)


class _Entry(Generic[Values]):
    """One subscription; equal to no other."""

    def __init__(self, subscriber: Callable[Values, None]) -> None:
        self._subscriber = subscriber

    def __call__(self, *args: Values.args, **kwargs: Values.kwargs) -> None:
        """Call the subscriber."""
        self._subscriber(*args, **kwargs)

    def __str__(self) -> str:
        """For the log."""
        return getattr(self._subscriber, "__qualname__", type(self._subscriber).__name__)
