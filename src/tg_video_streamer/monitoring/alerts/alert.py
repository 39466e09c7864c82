"""An alert to people, and what is removed from its text before it leaves the host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from tg_video_streamer.locales.message import Message

_LONGEST_TEXT = 600
_ADDRESS = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://\S+")
_OPAQUE = re.compile(r"[A-Za-z0-9_+=-]{80,}")


class Severity(StrEnum):
    """Apprise's notification types, least severe first."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """An alert; a later one of the same topic and severity replaces it."""

    topic: str
    """What it is about, such as `slate` or `output rtmp-1`."""
    severity: Severity
    message: Message


def sanitized(text: str) -> str:
    """`text` on one line of limited length, without addresses and without anything that looks like a key."""
    line = _OPAQUE.sub("***", _ADDRESS.sub("(address left out)", " ".join(text.split())))
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1]}…"
