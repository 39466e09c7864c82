"""Puts together what is true now, from the running parts: the one place where a status is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from tg_video_streamer.automation.program import Program
from tg_video_streamer.clock import Clock
from tg_video_streamer.control.health import OutputFacts, problems
from tg_video_streamer.control.status import ItemStatus, LiveStatus, OutputStatus, ServiceStatus, TelegramFacts
from tg_video_streamer.events import CutReason, Event, PictureFault, SegmentStarted, SlateReason, SourceLevel
from tg_video_streamer.ingest.takeover import LiveFacts
from tg_video_streamer.outputs.handler import OutputHandler
from tg_video_streamer.playlist.item import Item, LocatorKind

_REASONS = {
    CutReason.STARTED: "the program began with it",
    CutReason.ENDED: "what was on before has ended",
    CutReason.SKIPPED: "what was on before was skipped",
    CutReason.SCHEDULED: "its time in the schedule had come",
    CutReason.HELD: "the operator wants the slate",
    CutReason.RESUMED: "it goes on where it was left",
    CutReason.ITEM_READY: "an item was ready to take over",
    CutReason.FILLER_READY: "no item is ready; the filler was",
    CutReason.SOURCE_STALLED: "the source of what was on before has run dry",
    CutReason.SOURCE_FAILED: "the source of what was on before has failed",
    CutReason.OFF_GRID: "what was on before came at a wrong frame rate",
    CutReason.TAKEOVER: "the operator is live",
    CutReason.LIVE_ENDED: "the live stream has ended",
    CutReason.LIVE_STALLED: "the live stream has stalled",
    CutReason.LIVE_FAILED: "the live stream could not be encoded any more",
    CutReason.STOPPED: "the service ends",
}
_SLATE_REASONS = {
    SlateReason.STARTING: "the first item is not ready yet",
    SlateReason.PLAYLIST_EMPTY: "there is nothing to play; write something into the playlist",
    SlateReason.SOURCE_FAILED: "the source of what was on before has failed",
    SlateReason.PAUSED: "the operator wants the slate",
    SlateReason.OPERATOR: "the operator wants the slate",
    SlateReason.SCHEDULED: "the next item waits for its time in the schedule",
}
_NEXT_ITEMS = 5
_WARNINGS_SHOWN = 10


class Reporter:
    """Asks the parts; every method belongs to the event loop's thread."""

    def __init__(
        self,
        *,
        version: str,
        clock: Clock,
        program: Program,
        outputs: Sequence[OutputHandler],
        warnings: Sequence[Callable[[], Sequence[str]]] = (),
        telegram: Callable[[], TelegramFacts] = TelegramFacts,
        live: Callable[[], LiveFacts] | None = None,
    ) -> None:
        """`warnings`: what other parts report, asked at each status."""
        self._version = version
        self._clock = clock
        self._playout = program.playout
        self._director = program.director
        self._rotation = program.rotation
        self._quarantine = program.quarantine
        self._playlist = program.playlist
        self._outputs = outputs
        self._warnings = warnings
        self._telegram = telegram
        self._live = live
        self._started = clock.monotonic()
        self._started_wall = clock.wall()
        self._plays = 0
        self._faults: dict[str, PictureFault] = {}

    def on_event(self, event: Event) -> None:
        """Keep what the status tells of the past; subscribe this to the event bus."""
        if isinstance(event, SegmentStarted):
            self._plays += event.content.new_play
            self._faults.clear()
        elif isinstance(event, PictureFault):
            self._faults.pop(event.fault, None)
            if event.active:
                self._faults[event.fault] = event

    def status(self, *, holds: Sequence[str] = ()) -> ServiceStatus:
        """The whole state now; `holds`: by what the operator holds the program."""
        on_air = self._playout.on_air
        telegram = self._telegram()
        outputs = tuple(_output(handler, telegram) for handler in self._outputs)
        found = problems(
            channel_state=self._playout.state.state,
            standstill_seconds=self._playout.standstill_seconds,
            outputs=[OutputFacts(name=one.name, state=one.state, error=one.error) for one in outputs],
        )
        feed = self._director.on_air
        return ServiceStatus(
            version=self._version,
            channel_state=self._playout.state.state,
            reason=_reason(on_air) if on_air else "",
            since_wall=on_air.wall if on_air else self._started_wall,
            level=on_air.content.level if on_air else SourceLevel.SLATE,
            cached=on_air is not None and on_air.content.cached,
            slate_reason=(on_air.content.slate_reason or "") if on_air else "",
            healthy=not found,
            problems=found,
            paused=bool(holds),
            now=self._now(),
            position_seconds=self._playout.item_seconds,
            next_items=tuple(self.describe(item) for item in self._rotation.upcoming(_NEXT_ITEMS)),
            buffer_seconds=feed.buffer.seconds if feed else 0.0,
            program_seconds=self._playout.program_seconds,
            gap_seconds=self._playout.gap_seconds,
            skew_seconds=self._playout.skew_seconds,
            streams_played=self._plays,
            uptime_seconds=self._clock.monotonic() - self._started,
            outputs=outputs,
            warnings=self._all_warnings(),
            session_state=telegram.session_state,
            degraded=telegram.degraded,
            degraded_reason=telegram.degraded_reason,
            degraded_seconds=telegram.degraded_seconds,
            session_renewals=telegram.session_renewals,
            viewers=telegram.viewers,
            holds=tuple(holds),
            live=_live(self._live()) if self._live is not None else None,
        )

    def _now(self) -> ItemStatus | None:
        feed, item = self._director.on_air, self._director.item
        if feed is None or item is None:
            return None
        return ItemStatus(
            key=item.key,
            title=feed.title or item_name(item),
            duration_seconds=feed.duration_seconds,
            is_live=feed.is_live,
        )

    def describe(self, item: Item) -> ItemStatus:
        """An item for people, with what its feed has found out."""
        for feed in self._director.coming:
            if feed.item.key != item.key:
                continue
            return ItemStatus(
                key=item.key,
                title=feed.title or item_name(item),
                duration_seconds=feed.duration_seconds,
                is_live=feed.is_live,
            )
        return ItemStatus(key=item.key, title=item_name(item))

    def _all_warnings(self) -> tuple[str, ...]:
        found = [line for warnings in self._warnings for line in warnings()]
        found += [f"playlist: {problem}" for problem in self._playlist.problems]
        found += [
            f"item {one.key} rests for {one.seconds_left:.0f} s after {one.failures} failed tries: {one.reason}"
            for one in self._quarantine.resting()
        ]
        found += [f"what is on air is {fault}" for fault in self._faults]
        if self._live is not None and (problem := self._live().problem):
            found.append(f"no live takeover: {problem}")
        if len(found) > _WARNINGS_SHOWN:
            found[_WARNINGS_SHOWN:] = [f"and {len(found) - _WARNINGS_SHOWN} more, see the log"]
        return tuple(found)


def _reason(started: SegmentStarted) -> str:
    """Why viewers see what they see; an empty playlist is the reason of its slate, whatever was on air before."""
    slate_reason = started.content.slate_reason
    if slate_reason is SlateReason.PLAYLIST_EMPTY or (slate_reason and started.reason is CutReason.SLATE_CHANGED):
        return _SLATE_REASONS[slate_reason]
    return _REASONS[started.reason]


def item_name(item: Item) -> str:
    """A title for people without a URL, which may be signed: the operator's, the file's name or the URL's host."""
    if item.title:
        return item.title
    if item.kind is LocatorKind.FILE:
        return Path(item.locator).name
    return urlsplit(item.locator).hostname or item.key


def _live(facts: LiveFacts) -> LiveStatus:
    publisher = facts.publisher
    status = LiveStatus(
        state=str(facts.state), since_wall=facts.since_wall, takeovers=facts.takeovers, problem=facts.problem
    )
    if publisher is None:
        return status
    return replace(
        status,
        place=publisher.peer_class,
        publishes_since_wall=publisher.since_wall,
        bits_per_second=publisher.bits_per_second,
        width=publisher.announced.width,
        height=publisher.announced.height,
        frames_per_second=publisher.announced.frames_per_second,
    )


def _output(handler: OutputHandler, telegram: TelegramFacts) -> OutputStatus:
    report = handler.status()
    return OutputStatus(
        name=report.name,
        kind=report.kind,
        state=str(report.state),
        since_wall=report.since_wall,
        bytes_sent=report.bytes_sent,
        bits_per_second=report.bits_per_second,
        reconnects=report.reconnects,
        dropped_packets=report.dropped_packets,
        error=report.error,
        delivery=telegram.deliveries.get(report.name, ""),
    )
