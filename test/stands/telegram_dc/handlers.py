"""A table of answerers by method name, filled by decorators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stands.telegram_dc.wire import Connection

Answerer = Callable[[Connection, Any], Any]


class Table:
    """The methods of one area of the API."""

    def __init__(self) -> None:
        self.methods: dict[str, Answerer] = {}

    def on(self, name: str) -> Callable[[Answerer], Answerer]:
        """Answer `name` (as in TL: auth.sendCode) with the decorated function."""

        def register(answerer: Answerer) -> Answerer:
            self.methods[name.lower()] = answerer
            return answerer

        return register
