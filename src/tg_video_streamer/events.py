"""What happened, as values that metrics, the as-run log, the terminal and notifications all read from one bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class SourceLevel(StrEnum):
    """The steps of the fallback chain that a viewer can be on, best first."""

    LIVE = "live"
    """The operator's own stream, in place of the playlist."""
    ITEM = "item"
    KEPT = "kept"
    FILLER = "filler"
    SLATE = "slate"


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentStarted:
    """A stretch of one level began; `counts` where it is a new play of an item and not a resume, filler or slate."""

    wall: float
    level: SourceLevel
    reason: str
    key: str = ""
    title: str = ""
    counts: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentEnded:
    """A stretch of one level ended; `seconds` on air, `gap_seconds` that the program was late, largest lip-sync error."""

    started: float
    wall: float
    level: SourceLevel
    reason: str
    key: str
    title: str
    seconds: float
    gap_seconds: float
    skew_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFailed:
    """A try at an item failed; `stage` is resolve, probe, feed or program, `reason` a word, `detail` for people."""

    wall: float
    stage: str
    reason: str
    detail: str
    key: str
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputChanged:
    """An output moved to another state; `output` is its short name, never its URL."""

    wall: float
    output: str
    state: str
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFault:
    """What is on air is `black`, `frozen` or `silent` (`active`), or is no longer."""

    wall: float
    fault: str
    active: bool
    key: str
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryChanged:
    """Whether an output's far end receives it: `confirmed`, `unconfirmed`, `missing`; empty where not known."""

    wall: float
    output: str
    delivery: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DegradedChanged:
    """Something that is configured needs a Telegram session and there is none (`active`), or no longer.

    `ending` is the word of how the session ended, `command` what a person runs to get a new one; never a session.
    """

    wall: float
    active: bool
    ending: str = ""
    command: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRenewed:
    """The Telegram session works again; `by_spare` where the spare took the place of the one that ended."""

    wall: float
    by_spare: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateFailed:
    """A newer `program` (such as yt-dlp) could not be put in place, and the old one stays in use."""

    wall: float
    program: str
    detail: str
    command: str = ""
    """What a person runs to try again or to see more."""


Event = (
    SegmentStarted
    | SegmentEnded
    | SourceFailed
    | OutputChanged
    | PictureFault
    | DeliveryChanged
    | DegradedChanged
    | SessionRenewed
    | UpdateFailed
)


class EventBus:
    """Takes events from any thread and hands them, in order, to every subscriber in the event loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` runs the subscribers."""
        self._loop = loop
        self._subscribers: list[Callable[[Event], None]] = []

    def subscribe(self, subscriber: Callable[[Event], None]) -> None:
        """Call `subscriber` with every later event; it must return at once."""
        self._subscribers.append(subscriber)

    def publish(self, event: Event) -> None:
        """Hand `event` on; callable from any thread, never blocks. After the loop has closed there is nobody to tell."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, event)

    def _deliver(self, event: Event) -> None:
        for subscriber in self._subscribers:
            subscriber(event)
