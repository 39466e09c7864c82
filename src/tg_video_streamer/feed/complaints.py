"""What an ffmpeg child complains of, kept for the error that it may end with, without anything that could be secret."""

from __future__ import annotations

import re
from collections.abc import Callable

_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+|pipe:\d+|file:[^:']*", re.IGNORECASE)
_LINES = 20


class Complaints:
    """The last lines of stderr that nobody else deals with."""

    def __init__(self, on_line: Callable[[str], bool]) -> None:
        """`on_line` gets each line first, and says whether it is dealt with."""
        self._on_line = on_line
        self.lines: list[str] = []

    def take(self, line: str) -> None:
        """Each line of the child's stderr comes here."""
        if not self._on_line(line):
            self.lines.append(redacted(line))
            del self.lines[:-_LINES]


def redacted(line: str) -> str:
    """A line of ffmpeg's without anything that could be a URL or path."""
    return _URL.sub("(location)", line)
