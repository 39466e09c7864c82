"""Reads one table of a TOML file: typed values, and a problem for each wrong key."""

from __future__ import annotations

import difflib
from typing import Any


class Table:
    """Values taken by key; `finish` then reports the keys that were not taken."""

    def __init__(self, values: dict[str, Any], place: str, problems: list[str]) -> None:
        """Each problem starts with `place` and is appended to `problems`."""
        self.values = values
        self.place = place
        self._problems = problems
        self._known: list[str] = []

    def problem(self, key: str, what: str) -> None:
        """Add a problem with `key`."""
        self._problems.append(f"{self.place}{key}: {what}")

    def take(self, key: str) -> Any:
        """The TOML value; None where there is none."""
        self._known.append(key)
        return self.values.get(key)

    def text(self, key: str, *, needed: str = "") -> str:
        """A text of one line; empty where it is wrong, or missing, which is a problem where it is `needed`."""
        value = self.take(key)
        if value is None:
            if needed:
                self.problem(key, f"is missing: {needed}")
            return ""
        if not isinstance(value, str) or not value.strip() or "\n" in value:
            self.problem(key, 'must be a text in "quotes"')
            return ""
        return value.strip()

    def texts(self, key: str, *, needed: str) -> list[str]:
        """A list of texts, at least one; empty where it is wrong."""
        value = self.take(key)
        if isinstance(value, list) and value and all(isinstance(one, str) and one.strip() for one in value):
            return [one.strip() for one in value]
        self.problem(key, f"must be {needed}" if value is not None else f"is missing: {needed}")
        return []

    def number(self, key: str, *, least: float, most: float, needed: bool = False) -> float | None:
        """A number within bounds; None where it is wrong, or missing, which is a problem where it is `needed`."""
        value = self.take(key)
        if value is None:
            if needed:
                self.problem(key, f"is missing: a number from {least:g} to {most:g}")
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.problem(key, f"must be a number from {least:g} to {most:g}")
            return None
        return float(value)

    def table(self, key: str) -> Table | None:
        """The table under `key`; None where there is none."""
        value = self.take(key)
        if value is None or isinstance(value, dict):
            return None if value is None else Table(value, f"{self.place}{key}: ", self._problems)
        self.problem(key, f"must be a table: [{key}] and its values below")
        return None

    def tables(self, key: str) -> list[Table]:
        """The tables of a list of them."""
        value = self.take(key)
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            return [Table(one, "", self._problems) for one in value]
        self.problem(key, f"must be tables: [[{key}]] and its values below, for each one")
        return []

    def finish(self) -> None:
        """Add a problem for each unknown key, with a similar known one."""
        for key in self.values:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, n=1)
                meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(self._known)}"
                self.problem(key if key.isprintable() else "a key", f"is unknown; {meant}")
