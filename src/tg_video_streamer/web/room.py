"""What the pages read: the running service's verbs, its picture, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tg_video_streamer.clock import Clock
from tg_video_streamer.control.verbs import Verbs
from tg_video_streamer.web.preview import Preview


class Looked(Protocol):
    """What the doctor says about one thing."""

    @property
    def about(self) -> str:
        """A word or two."""

    @property
    def verdict(self) -> str:
        """ok, warning or problem."""

    @property
    def text(self) -> str:
        """What was found."""

    @property
    def remedy(self) -> str:
        """What to do; empty where nothing is."""


async def no_findings() -> Sequence[Looked]:
    """For a service that has no doctor at hand."""
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """Made once for a running service; every page gets it. All of it belongs to the event loop's thread."""

    verbs: Verbs
    preview: Preview
    clock: Clock
    as_run: Path
    """The as-run log."""
    look: Callable[[], Awaitable[Sequence[Looked]]] = no_findings
    """Has the doctor look at everything, which takes up to minutes; the texts hold no secret."""
    log_tail: Callable[[], Sequence[str]] = tuple
    """The last lines of the log, oldest first, masked."""
    versions: Callable[[], Sequence[tuple[str, str]]] = tuple
    """Names of programs with their versions; called in a thread."""
    has_schedule: Callable[[], bool] = lambda: False
    """Whether there is a schedule to be shown."""
