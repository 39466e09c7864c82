"""One message to people, and what is taken out of its text before it leaves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

LONGEST_TEXT = 600
_ADDRESS = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://\S+")
_OPAQUE = re.compile(r"[A-Za-z0-9_+=-]{80,}")


class Kind(StrEnum):
    """What a message is, in Apprise's words for it."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A thing to tell; messages of one `topic` are about one thing, and a later one of the same kind replaces it."""

    topic: str
    """A word, such as `slate` or `output rtmp-1`."""
    kind: Kind
    text: str


def plain(text: str) -> str:
    """`text` in one line of limited length, without any address and without anything that looks like a key."""
    line = _OPAQUE.sub("***", _ADDRESS.sub("(address left out)", " ".join(text.split())))
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"


def duration_text(seconds: float) -> str:
    """`45 s`, `3 min`, `2 h 5 min` or `3 days`, as people say it."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"
