"""Prometheus metrics: counts events as they happen and reads the rest from the status at each scrape.

The names are a contract with dashboards and alerts. A label value is a word of a small set (a level, a state, a reason) or
an output's short name; never a title, URL or key, which would grow without end and leak secrets.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tg_video_streamer.control.status import (
    JOB_STATES,
    LEASE_STATES,
    STANDBY,
    UNKNOWN,
    FleetStatus,
    LiveStatus,
    OutputStatus,
    PartStatus,
    ServiceStatus,
    SpoolStatus,
)
from tg_video_streamer.disk import DISKS
from tg_video_streamer.errors import DiskHangs
from tg_video_streamer.events import (
    AirContent,
    Event,
    OutputChanged,
    PictureFault,
    SegmentEnded,
    SegmentStarted,
    SourceFailed,
    SourceLevel,
)
from tg_video_streamer.ffmpeg.steps import EncodeStep
from tg_video_streamer.ingest.state import LiveState
from tg_video_streamer.library.library import Library
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.playout.state import ChannelState
from tg_video_streamer.resolve.ytdlp_update import RESULTS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PREFIX = "tg_video_streamer_"
_BARE_NAMES = frozenset({"streams_played"})
"""Promised without the prefix."""
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OUTPUT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_WORDS_AT_MOST = 64
"""So many reasons are known to none of us: more of them are a label that is no word but a text."""
_FAULTS = ("black", "frozen", "silent")
_DISK_SECONDS = 0.5
"""A scrape waits for a disk no longer, and the event loop with it."""
_DELIVERIES = ("confirmed", "unconfirmed", "missing", "unknown")


class _Words:
    """Lets words through as label values, and puts all else under `other`."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def label(self, text: str) -> str:
        """`text` if it is a word, and not one word too many."""
        word = text.strip().lower().replace(" ", "_").replace("-", "_")
        if not _WORD.fullmatch(word) or (word not in self._seen and len(self._seen) >= _WORDS_AT_MOST):
            return "other"
        self._seen.add(word)
        return word


class Metrics(Collector):
    """Counts and gauges of the running service; used in the event loop's thread only."""

    def __init__(
        self,
        status: Callable[[], ServiceStatus],
        folders: Mapping[str, Path] | None = None,
        library: Library | None = None,
    ) -> None:
        """Each scrape calls `status` and measures the disks of `folders`, which has them by the label's value."""
        self._status = status
        self._folders = dict(folders or {})
        self._library = library
        self._words = _Words()
        self._plays = 0
        self._splices: Counter[str] = Counter()
        self._failures: Counter[tuple[str, str]] = Counter()
        self._faults: Counter[str] = Counter()
        self._fault_active: set[str] = set()
        self._on_air: AirContent | None = None
        self._cached_seconds = self._shown_cached_seconds = 0.0
        self._finished_seconds = dict.fromkeys(SourceLevel, 0.0)
        self._shown_seconds = dict.fromkeys(SourceLevel, 0.0)
        self._last_error_wall = 0.0
        self._ytdlp_version = ""
        self._ytdlp_updates: dict[str, int] = {}
        self._ytdlp_success_wall = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def ytdlp(self, *, version: str, counts: Mapping[str, int], last_success: float) -> None:
        """The yt-dlp that resolves items from now on (empty: none), its updates by result, and when the last went well.

        `last_success` in seconds since 1970: of an update, or of the installation where there was none.
        """
        self._ytdlp_version = version
        self._ytdlp_updates = dict(counts)
        self._ytdlp_success_wall = last_success

    def on_event(self, event: Event) -> None:
        """Count one event; returns at once."""
        match event:
            case SegmentStarted():
                self._on_air = event.content
                self._plays += event.content.new_play
                self._splices[event.reason] += 1
            case SegmentEnded():
                self._on_air = None
                self._finished_seconds[event.content.level] += event.seconds
                self._cached_seconds += event.seconds if event.content.cached else 0.0
            case SourceFailed():
                self._failures[self._words.label(event.stage), self._words.label(event.reason)] += 1
                self._last_error_wall = event.wall
            case OutputChanged():
                if event.error:
                    self._last_error_wall = event.wall
            case PictureFault():
                self._count_fault(event)

    def _count_fault(self, event: PictureFault) -> None:
        fault = self._words.label(event.fault)
        if event.active:
            self._faults[fault] += fault not in self._fault_active
            self._fault_active.add(fault)
        else:
            self._fault_active.discard(fault)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask for the status, which may not be there yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric with its value now; called by the registry at each scrape."""
        return map(_prefixed, self._families(self._status()))

    def _families(self, status: ServiceStatus) -> Iterator[Metric]:
        if status.fleet is not None:
            yield from _fleet(status.fleet)
        if status.channel_state != STANDBY:
            # The program and its outputs are another host's: 0 here would be an alarm.
            yield from self._channel(status)
            yield from _outputs(status.outputs)
        yield from self._sources()
        if status.session_state:
            yield from _telegram(status)
        if status.live is not None:
            yield from _live(status.live)
        if status.spool is not None:
            yield from _spool(status.spool)
        yield from _parts(status.parts)
        yield from _disks(self._folders)
        if self._library is not None:
            yield from _kept(self._library)

    def _seconds(self, program_seconds: float) -> dict[SourceLevel, float]:
        """Seconds on air by level: finished segments by their events, and the rest for the one on air."""
        seconds = dict(self._finished_seconds)
        cached = self._cached_seconds
        if self._on_air is not None:
            current = max(0.0, program_seconds - sum(seconds.values()))
            seconds[self._on_air.level] += current
            cached += current if self._on_air.cached else 0.0
        # The status may be some frames ahead of or behind the events; a counter must not go back for it.
        self._shown_seconds = {level: max(self._shown_seconds[level], value) for level, value in seconds.items()}
        self._shown_cached_seconds = max(self._shown_cached_seconds, cached)
        return self._shown_seconds

    def _channel(self, status: ServiceStatus) -> Iterator[Metric]:
        yield _counter("streams_played", "Plays of items; not retries, resumes, filler or slate.", self._plays)
        yield _gauge(
            "on_air", "1 while media is leaving and every output that is meant to take it does.", status.healthy
        )
        state = GaugeMetricFamily("channel_state", "1 for the state that the channel is in.", labels=["state"])
        for known in ChannelState:
            state.add_metric([known], float(known == status.channel_state))
        yield state
        on_air = CounterMetricFamily("program_seconds", "Length of the program, by the level seen.", labels=["level"])
        for level, seconds in self._seconds(status.program_seconds).items():
            on_air.add_metric([level], seconds)
        yield on_air
        yield _counter(
            "cached_program_seconds", "Length of the program from cached encodes.", self._shown_cached_seconds
        )
        yield _counter("program_gap_seconds", "Seconds that the program was late, for all viewers.", status.gap_seconds)
        yield _gauge("program_av_skew_seconds", "Largest lip-sync error so far.", status.skew_seconds)
        yield _gauge("buffer_seconds", "Picture held in advance of the item on air.", status.buffer_seconds)
        steps = [str(step) for step in EncodeStep]
        yield _gauge(
            "encode_step",
            "How far encodes for the air have stepped down for want of processor time; 0: not at all.",
            steps.index(status.encode_step) if status.encode_step in steps else 0,
        )
        yield _by_label("splices", "Changes of what is on air, by why.", ["reason"], self._splices)
        yield _gauge(
            "last_error_timestamp_seconds", "When a source or output last failed; 0: never.", self._last_error_wall
        )

    def _sources(self) -> Iterator[Metric]:
        failures = CounterMetricFamily(
            "source_failures", "Failed tries at items, by where and why.", labels=["stage", "reason"]
        )
        for labels, count in self._failures.items():
            failures.add_metric(labels, count)
        yield failures
        faults = {fault: self._faults[fault] for fault in (*_FAULTS, *self._faults)}
        yield _by_label("picture_faults", "Times that what was on air was no picture or no sound.", ["fault"], faults)
        now = GaugeMetricFamily("picture_fault", "1 while what is on air is black, frozen or silent.", labels=["fault"])
        for fault in faults:
            now.add_metric([fault], float(fault in self._fault_active))
        yield now
        if self._ytdlp_version:
            yield from self._ytdlp()

    def _ytdlp(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("ytdlp_version_info", "1 for the version of yt-dlp in use.", labels=["version"])
        info.add_metric([self._ytdlp_version], 1.0)
        yield info
        updates = {result: self._ytdlp_updates.get(result, 0) for result in RESULTS}
        yield _by_label("ytdlp_update", "Updates of yt-dlp on this host, by result.", ["result"], updates)
        yield _gauge(
            "ytdlp_update_last_success_timestamp_seconds",
            "When yt-dlp was last updated, found to be the newest, or installed.",
            self._ytdlp_success_wall,
        )


def _prefixed(family: Metric) -> Metric:
    if family.name not in _BARE_NAMES:
        family.name = PREFIX + family.name
        family.samples = [sample._replace(name=PREFIX + sample.name) for sample in family.samples]
    return family


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=float(value))


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(name, meaning, value=float(value))


def _by_label(name: str, meaning: str, labels: list[str], values: dict[str, int] | Counter[str]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def _telegram(status: ServiceStatus) -> Iterator[Metric]:
    yield _gauge("session_valid", "1 while there is a Telegram session that works.", status.session_state == "valid")
    seen = GaugeMetricFamily(
        "session_seen_timestamp_seconds", "When the session was last seen to work; no value without one.", labels=[]
    )
    if status.session_seen_wall is not None:
        seen.add_metric([], status.session_seen_wall)
    yield seen
    yield _by_label("session_renewals", "Cycles of session renewal, by result.", ["result"], status.session_renewals)
    yield _gauge("degraded", "1 while a Telegram session is needed and there is none.", status.degraded)
    yield _counter("degraded_seconds", "Seconds in degraded mode.", status.degraded_seconds)
    viewers = GaugeMetricFamily("viewers", "Viewers in Telegram; without a value where unknown.", labels=[])
    if status.viewers is not None:
        viewers.add_metric([], float(status.viewers))
    yield viewers


def _fleet(fleet: FleetStatus) -> Iterator[Metric]:
    state = GaugeMetricFamily("lease_state", "1 for what this host is for its channel.", labels=["state"])
    for known in LEASE_STATES:
        state.add_metric([known], float(known == fleet.lease))
    yield state
    yield _counter("lease_takeovers", "Times that this host took the channel since its start.", fleet.takeovers)
    yield _gauge("lease_renewal_seconds", "How long the last renewal of the lease took.", fleet.renewal_seconds)
    yield _gauge("fleet_connected", "1 while NATS answers.", fleet.connected)
    jobs = GaugeMetricFamily("farm_jobs", "This channel's encode jobs by state.", labels=["state"])
    for known in JOB_STATES:
        jobs.add_metric([known], fleet.farm_jobs.get(known, 0))
    yield jobs


def _live(live: LiveStatus) -> Iterator[Metric]:
    state = GaugeMetricFamily("live_ingest_state", "1 for the state of the live input.", labels=["state"])
    for known in LiveState:
        state.add_metric([known], float(known == live.state))
    yield state
    yield _counter("takeovers", "Times that viewers were switched to a live stream.", live.takeovers)


def _spool(spool: SpoolStatus) -> Iterator[Metric]:
    yield _gauge("spool_bytes", "Size of what is downloaded ahead of need.", spool.used_bytes)
    yield _gauge("spool_items", "Items that are whole in the spool.", spool.ready_items)
    yield _counter("spool_downloads", "Downloads that became whole.", spool.downloads)
    yield _counter("spool_failures", "Attempts at downloads that failed.", spool.failures)


def _outputs(outputs: Iterable[OutputStatus]) -> Iterator[Metric]:
    state = GaugeMetricFamily("output_state", "1 for the state that the output is in.", labels=["output", "state"])
    seen = GaugeMetricFamily(
        "output_seen_timestamp_seconds", "When an output on air was last seen to be.", labels=["output"]
    )
    sent = CounterMetricFamily("output_bytes", "Bytes that left for the output.", labels=["output"])
    reconnects = CounterMetricFamily("output_reconnects", "Connections after the first.", labels=["output"])
    dropped = CounterMetricFamily(
        "output_dropped_packets", "Packets dropped because the output was too slow.", labels=["output"]
    )
    delivery = GaugeMetricFamily(
        "output_delivery",
        "1 for whether Telegram receives the stream of a Telegram output.",
        labels=["output", "delivery"],
    )
    for position, output in enumerate(outputs, start=1):
        # A name that is none (a URL, say) is replaced by its place in OUTPUTS.
        name = output.name if _OUTPUT_NAME.fullmatch(output.name) else f"output-{position}"
        for known in (*OutputState, UNKNOWN):
            state.add_metric([name, known], float(known == output.state))
        if output.seen_wall is not None:
            seen.add_metric([name], output.seen_wall)
        sent.add_metric([name], output.bytes_sent)
        reconnects.add_metric([name], output.reconnects)
        dropped.add_metric([name], output.dropped_packets)
        for word in _DELIVERIES if output.kind == "telegram" else ():
            delivery.add_metric([name, word], float(word == (output.delivery or "unknown")))
    yield from (state, seen, sent, reconnects, dropped, delivery)


def _parts(parts: Iterable[PartStatus]) -> Iterator[Metric]:
    restarts = CounterMetricFamily("part_restarts", "Restarts of a part of the service that failed.", labels=["part"])
    unstable = GaugeMetricFamily(
        "part_unstable", "1 while a part of the service fails again and again.", labels=["part"]
    )
    for one in parts:
        restarts.add_metric([one.name], one.restarts)
        unstable.add_metric([one.name], float(one.unstable))
    yield from (restarts, unstable)


def _disks(folders: Mapping[str, Path]) -> Iterator[Metric]:
    free = GaugeMetricFamily("disk_free_bytes", "Free space for the service's files.", labels=["folder"])
    size = GaugeMetricFamily("disk_size_bytes", "Size of the disk that holds the folder.", labels=["folder"])
    for name, folder in folders.items():
        try:
            disk = DISKS.wait(_DISK_SECONDS, folder, _disk, folder)
        except DiskHangs:
            continue  # its age says that it is not known now
        free.add_metric([name], float(disk.f_bavail * disk.f_frsize))
        size.add_metric([name], float(disk.f_blocks * disk.f_frsize))
    yield from (free, size)


def _disk(folder: Path) -> os.statvfs_result:
    # A folder that is made later lies on the disk of the nearest one that is there.
    return os.statvfs(next(place for place in (folder, *folder.parents) if place.exists()))


def _kept(library: Library) -> Iterator[Metric]:
    yield _gauge("library_bytes", "Size of all cached encodes on this host.", library.bytes)
    yield _gauge("library_items", "Number of cached encodes on this host.", library.items)
    yield _counter("library_hits", "Plays from a cached encode.", library.hits)
    yield _counter("library_misses", "Plays that had to be encoded.", library.misses)
