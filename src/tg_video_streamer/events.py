"""Events of the channel, and the bus that hands them to metrics, as-run log, status, history and alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tg_video_streamer.display_text import show
from tg_video_streamer.locales.message import Message
from tg_video_streamer.subscribers import Subscribers


class SourceLevel(StrEnum):
    """The levels of the fallback chain, best first."""

    LIVE = "live"
    """The operator's own stream, in place of the playlist."""
    ITEM = "item"
    BACKUP = "backup"
    """What plays while the item on air is away, or in place of the rest of one that failed."""
    FILLER = "filler"
    SLATE = "slate"


class SlateReason(StrEnum):
    """Why the slate is on air."""

    STARTING = "starting"
    PLAYLIST_EMPTY = "playlist_empty"
    LOADING = "loading"
    """The next item is not ready yet, such as after a skip."""
    SOURCE_FAILED = "source_failed"
    PAUSED = "paused"
    OPERATOR = "operator"
    SCHEDULED = "scheduled"


class CutReason(StrEnum):
    """Why one source left the air and another came."""

    STARTED = "started"
    ENDED = "ended"
    SKIPPED = "skipped"
    SCHEDULED = "scheduled"
    HELD = "held"
    RESUMED = "resumed"
    ITEM_READY = "item_ready"
    FILLER_READY = "filler_ready"
    SLATE_CHANGED = "slate_changed"
    """The slate stays and states another reason."""
    SOURCE_STALLED = "source_stalled"
    SOURCE_FAILED = "source_failed"
    OFF_GRID = "off_grid"
    TAKEOVER = "takeover"
    LIVE_ENDED = "live_ended"
    LIVE_STALLED = "live_stalled"
    LIVE_FAILED = "live_failed"
    TIME_OVER = "time_over"
    """The item's time is over: `for=` or `until=`."""
    SOUGHT = "sought"
    """The item stays and continues at another place of itself: the operator moved it."""
    RETITLED = "retitled"
    """The source stays and has another title: a radio plays the next piece."""
    STOPPED = "stopped"
    KILLED = "killed"
    """Written at the next start: the service ended without a record."""

    @property
    def source_fault(self) -> bool:
        """Whether the source left the air by its own fault."""
        return self in {CutReason.SOURCE_STALLED, CutReason.SOURCE_FAILED, CutReason.OFF_GRID}


@dataclass(frozen=True, kw_only=True, slots=True)
class AirContent:
    """What is on air: one value from the candidate to the as-run entry."""

    level: SourceLevel
    key: str = ""
    title: str = ""
    new_play: bool = False
    """An item that starts: no resume, filler or slate."""
    cached: bool = False
    """The item plays from its cached encode."""
    prepared: bool = False
    """That encode was made ahead of need, in the better format."""
    slate_reason: SlateReason | None = None
    """Set where the level is the slate."""
    encode_step: str | None = None
    """The lowest step at which a part of it was encoded, for want of processor time; None for the full one."""

    def __post_init__(self) -> None:
        show(self, "key", "title")


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentStarted:
    """A segment of the program started."""

    wall: float
    reason: CutReason
    content: AirContent


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentEnded:
    """A segment ended: `seconds` on air, `gap_seconds` that the program was late, the largest lip-sync error."""

    started: float
    wall: float
    reason: CutReason
    content: AirContent
    seconds: float
    gap_seconds: float
    skew_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFailed:
    """An attempt at an item failed: `stage` is resolve, probe, feed or program, `reason` the error's, `detail` for people."""

    wall: float
    stage: str
    reason: str
    detail: str
    key: str
    title: str = ""
    covered: bool = False
    """Its cached encode plays."""

    def __post_init__(self) -> None:
        show(self, "detail", "key", "title")


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputChanged:
    """An output moved to another state; `output` is its short name, never its URL."""

    wall: float
    output: str
    state: str
    error: Message | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFault:
    """The program is `black`, `frozen` or `silent` (`active`), or no longer."""

    wall: float
    fault: str
    active: bool
    key: str
    title: str = ""

    def __post_init__(self) -> None:
        show(self, "key", "title")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryChanged:
    """Whether an output's far end receives it: `confirmed`, `unconfirmed`, `missing`; empty where not known."""

    wall: float
    output: str
    delivery: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DegradedChanged:
    """A configured feature needs a Telegram session and there is none (`active`), or no longer.

    `ending` is how the session ended, `command` what the operator runs to get a new one; never a session.
    """

    wall: float
    active: bool
    ending: str = ""
    command: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRenewed:
    """The Telegram session works again; `by_spare`: the spare replaced the one that ended."""

    wall: float
    by_spare: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateFailed:
    """The update of `program` (such as yt-dlp) failed; the old version stays in use."""

    wall: float
    program: str
    detail: str
    command: str = ""
    """What the operator runs to try again or to see more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartChanged:
    """A part of the service fails again and again (`unstable`), or no longer; `error` is its last one."""

    wall: float
    part: str
    unstable: bool
    restarts: int
    """So many times within five minutes."""
    error: str


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
    | PartChanged
)


class EventBus:
    """Takes events from any thread and calls every subscriber, in order, in the event loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` runs the subscribers."""
        self._loop = loop
        self._subscribers: Subscribers[[Event]] = Subscribers()

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """Call `subscriber` with every later event; it must return at once. The returned function unsubscribes."""
        return self._subscribers.add(subscriber)

    def on_failure(self, act: Callable[[str, Exception], None]) -> None:
        """Call `act` with the name and the error of each subscriber that fails from now on."""
        self._subscribers.failed = act

    def publish(self, event: Event) -> None:
        """Deliver `event`; callable from any thread, never blocks. Dropped once the loop has closed."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._subscribers.call, event)
