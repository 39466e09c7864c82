"""What an ffmpeg child complains of, kept for the error that it may end with, without anything that could be secret."""

from __future__ import annotations

import re
from collections.abc import Callable

_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+|pipe:\d+|file:[^:']*", re.IGNORECASE)
_SIGNS_OF_LOSS = re.compile(
    r"HTTP error|Server returned|Connection (reset|refused|timed out)|Input/output error|timed out|"
    r"Stream ends prematurely|End of file|Failed to (open segment|reload playlist)|Network is unreachable|Error in the pull",
    re.IGNORECASE,
)
_LINES = 20


class ChildStderr:
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

    @property
    def speak_of_loss(self) -> bool:
        """Whether they sound as if the source were lost, whatever the exit code."""
        return any(_SIGNS_OF_LOSS.search(line) for line in self.lines)


def redacted(line: str) -> str:
    """A line of ffmpeg's without anything that could be a URL or path."""
    return _URL.sub("(location)", line)
