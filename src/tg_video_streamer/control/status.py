"""The service's whole state at one moment, as every reader gets it: `status --json`, the page, the terminal, the health check."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tg_video_streamer.display_text import show
from tg_video_streamer.locales.message import Message
from tg_video_streamer.sighting import Sighting

STANDBY = "standby"
"""The state of a channel that another host has on air."""
LEASE_STATES = (STANDBY, "held", "left")
JOB_STATES = ("waiting", "running", "done", "failed", "given_up")
UNKNOWN = "unknown"
"""The state of what was on air or valid when it was last seen, longer ago than three periods of its watch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemStatus:
    """One item for people: no URL, since those may be signed."""

    key: str
    title: str
    duration_seconds: float | None = None
    is_live: bool = False

    def __post_init__(self) -> None:
        show(self, "key", "title")


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputStatus:
    """One output: `state` as in outputs.OutputState, or UNKNOWN; `error` is its last one, None after it recovered."""

    name: str
    kind: str
    state: str
    since_wall: float
    bytes_sent: int
    bits_per_second: float
    reconnects: int
    dropped_packets: int
    error: Message | None = None
    seen_wall: float | None = None
    """When it was last seen to be on air; None where it is not meant to be."""
    delivery: str = ""
    """Of a Telegram output: `confirmed`, `unconfirmed`, `missing`; empty where not known or not applicable."""

    def __post_init__(self) -> None:
        show(self, "name")


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveStatus:
    """The live input; size and frame rate are as the encoder announces them, 0 where it does not."""

    state: str
    """As in ingest.LiveState: closed, waiting, arriving, offered, on_air or ignored."""
    since_wall: float
    takeovers: int
    """How often viewers were switched to it since the start."""
    place: str = ""
    """Where it comes from: this_host, local_network or internet; empty without a publisher."""
    publishes_since_wall: float | None = None
    bits_per_second: float = 0.0
    width: int = 0
    height: int = 0
    frames_per_second: float = 0.0
    problem: Message | None = None
    """Why the live input is closed."""


class WarningAction(StrEnum):
    """What fixes a warning."""

    RETRY = "retry"
    """The command `retry` with the item's key."""
    REMOVE = "remove"
    """The command `playlist_remove` with the item's key."""
    EDIT_PLAYLIST = "edit_playlist"
    OPEN_SETTINGS = "open_settings"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceWarning:
    """One warning for the operator, and what fixes it."""

    message: Message
    item_key: str = ""
    """The item that it is about; empty for none."""
    actions: tuple[WarningAction, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadStatus:
    """The download that runs now; what is unknown is None."""

    item_key: str
    title: str
    have_bytes: int
    whole_bytes: int | None
    percent: int | None
    bytes_per_second: float
    ready_seconds: float | None

    def __post_init__(self) -> None:
        show(self, "item_key", "title")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoolStatus:
    """What is downloaded ahead of need."""

    used_bytes: int
    max_bytes: int
    ready_items: int
    """Items that are whole on the disk."""
    downloads: int
    failures: int
    """Attempts since the start that failed."""
    download: DownloadStatus | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PartStatus:
    """A part of the service that was restarted since the start of the service."""

    name: str
    restarts: int
    unstable: bool
    """It was restarted three times within five minutes, and has not run for five minutes since."""
    last_error: str
    last_restart_wall: float


@dataclass(frozen=True, kw_only=True, slots=True)
class HostStatus:
    """A host of a fleet with one channel, as it said within the last ten seconds."""

    channel: str
    host: str
    role: str
    """on_air or standby."""
    state: str
    """Of the channel there."""
    version: str
    priority: int
    behind_seconds: float
    """How old the program's place is that this host would go on from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerStatus:
    """A worker of the encode farm."""

    worker: str
    places: int
    version: str
    jobs: tuple[str, ...]
    """Titles of what it encodes, with how far it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetStatus:
    """This host's part in a fleet."""

    channel: str
    host: str
    lease: str
    """As in fleet.LeaseState: standby, held or left."""
    holder: str
    """The host that has the lease; empty where none does, or that is not known."""
    connected: bool
    """NATS answers."""
    takeovers: int = 0
    """Times that this host took the channel since its start."""
    renewal_seconds: float = 0.0
    """How long the last renewal took."""
    farm_jobs: dict[str, int] = field(default_factory=dict)
    """This channel's encode jobs by state, as in fleet.JobState."""
    hosts: tuple[HostStatus, ...] = ()
    """Of all channels of the fleet."""
    workers: tuple[WorkerStatus, ...] = ()
    lease_seconds: float = 0.0
    """How long ago the lease was seen to change; it is renewed each second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionFacts:
    """What the output `telegram` and its session add to the status; the defaults are those of a channel without it."""

    session_state: str = ""
    """absent, valid, restricted, expired, renewing or unknown; empty where nothing needs a Telegram session."""
    degraded: bool = False
    """Something that is configured needs a Telegram session, and there is none."""
    degraded_reason: Message | None = None
    degraded_seconds: float = 0.0
    """All degraded time together."""
    session_renewals: dict[str, int] = field(default_factory=dict)
    """Cycles by result: session, spare, failed, restricted, unreachable."""
    viewers: int | None = None
    """Who watches in Telegram; None where it is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TelegramFacts(SessionFacts):
    """The same with what its outputs deliver."""

    deliveries: dict[str, str] = field(default_factory=dict)
    """By the output's name."""
    sightings: dict[str, Sighting] = field(default_factory=dict)
    """When the watch last looked at an output, by its name."""
    session_sighting: Sighting | None = None
    """When the session was last seen to work; None while there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceStatus(SessionFacts):
    """Everything that is true of the channel now."""

    version: str
    channel_state: str
    """starting, on_air, on_backup, on_filler, on_slate or stopping."""
    reason: Message
    """Why the channel is in that state."""
    since_wall: float
    level: str
    """live, item, filler or slate."""
    healthy: bool
    """Media is leaving: the program advances and every output that is meant to be on air is."""
    problems: tuple[Message, ...]
    """Why not healthy, and then what is wrong without harm to the outputs, such as a part that fails again and again."""
    paused: bool
    now: ItemStatus | None
    position_seconds: float
    next_items: tuple[ItemStatus, ...]
    buffer_seconds: float
    program_seconds: float
    gap_seconds: float
    skew_seconds: float
    streams_played: int
    uptime_seconds: float
    outputs: tuple[OutputStatus, ...]
    warnings: tuple[ServiceWarning, ...] = ()
    """What the operator should fix: bad playlist lines, quarantined items, a metrics port that is in use."""
    cached: bool = False
    """The item plays from its cached encode."""
    prepared: bool = False
    """That encode was made ahead of need, and looks better than one made on air."""
    encode_margin: float | None = None
    """How many times faster than real time the last encode filled its buffer; None before the first one."""
    encode_step: str = ""
    """How what is encoded for the air is made on a busy host: faster, fastest, half or coarse; empty as it is set."""
    slate_reason: str = ""
    """Why the slate is on air: starting, playlist_empty, loading, source_failed, paused, operator or scheduled; else empty."""
    holds: tuple[str, ...] = ()
    """Why the operator's slate is shown: pause, slate, or both."""
    live: LiveStatus | None = None
    """None where no live stream may come in."""
    spool: SpoolStatus | None = None
    """None where nothing is downloaded ahead of need."""
    fleet: FleetStatus | None = None
    """None for a channel of one host."""
    parts: tuple[PartStatus, ...] = ()
    """The parts that were restarted since the start."""
    session_seen_wall: float | None = None
    """When the Telegram session was last seen to work; None while there is none."""

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)
