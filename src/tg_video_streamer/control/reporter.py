"""Makes the service's status from the running parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tg_video_streamer.automation.program import Program
from tg_video_streamer.clock import Clock
from tg_video_streamer.control.health import problems, side_problems
from tg_video_streamer.control.status import (
    STANDBY,
    UNKNOWN,
    DownloadStatus,
    FleetStatus,
    ItemStatus,
    LiveStatus,
    OutputStatus,
    PartStatus,
    ServiceStatus,
    ServiceWarning,
    SessionFacts,
    SpoolStatus,
    TelegramFacts,
    WarningAction,
)
from tg_video_streamer.events import (
    CutReason,
    Event,
    PictureFault,
    SegmentStarted,
    SlateReason,
    SourceFailed,
    SourceLevel,
)
from tg_video_streamer.feed.handler import Feed
from tg_video_streamer.ingest.takeover import LiveFacts
from tg_video_streamer.locales.message import Message
from tg_video_streamer.outputs.handler import OutputHandler, OutputReport
from tg_video_streamer.outputs.state import OutputState
from tg_video_streamer.playlist.file_names import shown
from tg_video_streamer.playlist.item import Item, LocatorKind
from tg_video_streamer.playlist.quarantine import Resting
from tg_video_streamer.resolve.missing import missing_files
from tg_video_streamer.spool.report import DownloadReport, SpoolReport

_NEXT_ITEMS = 5
_CHECKED_ITEMS = 50
"""Coming items among which the next ones are found."""
_WARNINGS_SHOWN = 10
_COVERED_SECONDS = 3600.0
"""So long a failure that a cached encode covers is shown: a loop meets it again before."""


class Reporter:
    """Every method belongs to the event loop's thread."""

    def __init__(
        self,
        *,
        version: str,
        clock: Clock,
        program: Program,
        outputs: Sequence[OutputHandler],
        warnings: Sequence[Callable[[], Sequence[Message] | Sequence[ServiceWarning]]] = (),
        telegram: Callable[[], TelegramFacts] = TelegramFacts,
        live: Callable[[], LiveFacts] | None = None,
        spool: Callable[[], SpoolReport] | None = None,
        parts: Callable[[], tuple[PartStatus, ...]] = tuple,
        encode_step: Callable[[], str] = str,
        encode_margin: Callable[[], float | None] = lambda: None,
        fleet: Callable[[], FleetStatus] | None = None,
    ) -> None:
        """`parts`: those that were restarted. `warnings`: what other parts report, asked at each status."""
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
        self._spool = spool
        self._parts = parts
        self._encode_step = encode_step
        self._encode_margin = encode_margin
        self._fleet = fleet
        self._started = clock.monotonic()
        self._started_wall = clock.wall()
        self._plays = 0
        self._faults: dict[str, PictureFault] = {}
        self._covered: dict[str, SourceFailed] = {}
        """The last failure of each source whose cached encode plays, by item key."""
        self._missing: frozenset[str] = frozenset()
        """Keys of coming items without a file, as of the last check."""

    def on_event(self, event: Event) -> None:
        """Count plays and faults; subscribe this to the event bus."""
        if isinstance(event, SegmentStarted):
            self._plays += event.content.new_play
            self._faults.clear()
        elif isinstance(event, PictureFault):
            self._faults.pop(event.fault, None)
            if event.active:
                self._faults[event.fault] = event
        elif isinstance(event, SourceFailed) and event.covered:
            self._covered = {key: one for key, one in self._covered.items() if self._is_fresh(one)}
            self._covered[event.key] = event

    def status(self, *, holds: Sequence[str] = ()) -> ServiceStatus:
        """The whole state now; `holds`: by what the operator holds the program."""
        playout, on_air = self._playout, self._playout.on_air
        telegram = self._telegram()
        now, parts = self._clock.wall(), self._parts()
        outputs = tuple(output_report(handler, telegram, now) for handler in self._outputs)
        fleet = self._fleet() if self._fleet is not None else None
        state = STANDBY if fleet is not None and fleet.lease == STANDBY else str(playout.state.state)
        found = problems(
            channel_state=state,
            standstill_seconds=playout.standstill_seconds,
            outputs=outputs,
            now_wall=now,
        )
        seen = telegram.session_sighting
        feed = self._director.on_air
        return ServiceStatus(
            version=self._version,
            channel_state=state,
            reason=_standby_reason(fleet) if fleet is not None and state == STANDBY else _reason(on_air),
            since_wall=on_air.wall if on_air else self._started_wall,
            level=on_air.content.level if on_air else SourceLevel.SLATE,
            cached=on_air is not None and on_air.content.cached,
            prepared=on_air is not None and on_air.content.prepared,
            encode_step=self._encode_step(),
            encode_margin=self._encode_margin(),
            slate_reason=(on_air.content.slate_reason or "") if on_air else "",
            healthy=not found,
            problems=(*found, *side_problems(parts=parts, session_state=telegram.session_state)),
            paused=bool(holds),
            now=self._now(),
            position_seconds=playout.item_seconds,
            next_items=tuple(map(self.describe, islice(self._coming(), _NEXT_ITEMS))),
            buffer_seconds=feed.buffer.seconds if feed else 0.0,
            program_seconds=playout.program_seconds,
            gap_seconds=playout.gap_seconds,
            skew_seconds=playout.skew_seconds,
            streams_played=self._plays,
            uptime_seconds=self._clock.monotonic() - self._started,
            outputs=outputs,
            warnings=self._all_warnings(),
            holds=tuple(holds),
            fleet=fleet,
            live=_live(self._live()) if self._live is not None else None,
            spool=_spool(self._spool()) if self._spool is not None else None,
            parts=parts,
            session_seen_wall=round(now - seen.seconds_ago, 1) if seen is not None else None,
            **_values(telegram, SessionFacts),
        )

    def _now(self) -> ItemStatus | None:
        feed, item = self._director.on_air, self._director.item
        return None if feed is None or item is None else item_status(item, feed)

    def describe(self, item: Item) -> ItemStatus:
        """An item for people, with what its feed has found out."""
        feed = next((feed for feed in self._director.coming if feed.item.key == item.key), None)
        return ItemStatus(key=item.key, title=item_name(item)) if feed is None else item_status(item, feed)

    async def check_files(self) -> None:
        """Find out which of the coming files are missing; what was last known of a disk counts while that hangs."""
        items = [one for one in self._rotation.upcoming(_CHECKED_ITEMS) if one.kind is LocatorKind.FILE]
        self._missing = await missing_files(items, known=self._missing)

    def _coming(self) -> Iterator[Item]:
        """What will play next: without what waits for another try, and what is missing."""
        resting = {one.key for one in self._quarantine.resting()} | self._missing
        return (item for item in self._rotation.upcoming(_CHECKED_ITEMS) if item.key not in resting)

    def _all_warnings(self) -> tuple[ServiceWarning, ...]:
        found = [
            one if isinstance(one, ServiceWarning) else ServiceWarning(message=one)
            for warnings in self._warnings
            for one in warnings()
        ]
        found += self._playlist_warnings()
        found += self._covered_warnings()
        found += [ServiceWarning(message=Message.of(f"warning.picture.{fault}")) for fault in self._faults]
        if self._live is not None and (problem := self._live().problem):
            found.append(ServiceWarning(message=Message.of("warning.live", detail=problem)))
        if self._spool is not None and (full := self._spool().problem) is not None:
            found.append(ServiceWarning(message=full))
        if len(found) > _WARNINGS_SHOWN:
            more = Message.of("warning.more", count=len(found) - _WARNINGS_SHOWN)
            found[_WARNINGS_SHOWN:] = [ServiceWarning(message=more)]
        return tuple(found)

    def _playlist_warnings(self) -> Iterator[ServiceWarning]:
        """A warning for each line that cannot play, and for each item that waits for another try."""
        edit = (WarningAction.EDIT_PLAYLIST,)
        for problem in self._playlist.problems:
            if problem.line:
                message = Message.of("warning.line", line=problem.line, problem=problem.what)
            else:
                message = Message.of("warning.playlist", problem=problem.what)
            yield ServiceWarning(message=message, actions=edit)
        yield from map(self._item_warning, self._quarantine.resting())

    def _covered_warnings(self) -> Iterator[ServiceWarning]:
        """A warning for each item that plays from the library because its source fails."""
        resting = {one.key for one in self._quarantine.resting()}
        for key, failed in self._covered.items():
            item = self._playlist.item(key)
            if item is not None and key not in resting and self._is_fresh(failed):
                title, problem = failed.title or item_name(item), failure_message(failed.reason, item)
                yield ServiceWarning(message=Message.of("warning.covered", title=title, problem=problem), item_key=key)

    def _is_fresh(self, failed: SourceFailed) -> bool:
        return 0 <= self._clock.wall() - failed.wall < _COVERED_SECONDS

    def _item_warning(self, resting: Resting) -> ServiceWarning:
        item, entry = self._playlist.item(resting.key), self._playlist.entries.get(resting.key)
        title = item_name(item) if item is not None else resting.key
        problem = failure_message(resting.reason, item)
        # Whole minutes, and tens of seconds in the last one: the pages fetch a warning again when its text changes.
        step = 60 if resting.seconds_left > 60 else 10
        seconds = math.ceil(resting.seconds_left / step) * step
        if entry is None:
            message = Message.of("warning.item", title=title, problem=problem, seconds=seconds)
            actions: tuple[WarningAction, ...] = (WarningAction.RETRY,)
        else:
            message = Message.of("warning.item_line", title=title, line=entry.line, problem=problem, seconds=seconds)
            actions = (WarningAction.RETRY, WarningAction.REMOVE)
        # A scheduled list is another file than the one that is edited through the service.
        if self._rotation.list_name:
            actions = (WarningAction.RETRY,)
        return ServiceWarning(message=message, item_key=resting.key, actions=actions)


_STATED = frozenset({SlateReason.PLAYLIST_EMPTY, SlateReason.LOADING})
"""They say more than how the item before ended."""


def _standby_reason(fleet: FleetStatus) -> Message:
    """Who has the channel instead of this host."""
    return Message.of("fleet.standby_for", host=fleet.holder) if fleet.holder else Message.of("fleet.standby")


def _reason(started: SegmentStarted | None) -> Message:
    """Why viewers see what they see."""
    if started is None:
        return Message.of("slate_reason.starting")
    slate_reason = started.content.slate_reason
    if slate_reason in _STATED or (slate_reason and started.reason is CutReason.SLATE_CHANGED):
        return Message.of(f"slate_reason.{slate_reason}")
    return Message.of(f"cut.{started.reason}")


def failure_message(reason: str, item: Item | None) -> Message:
    """Why an item cannot play, from the label of its error."""
    if reason == "source_gone" and item is not None and item.kind is LocatorKind.FILE:
        return Message.of("failure.file_not_found")
    return Message.find(f"failure.{reason}") or Message.of("failure.other", reason=reason)


def item_name(item: Item) -> str:
    """A title for people without a URL, which may be signed: the operator's, the file's name or the URL's host."""
    if item.title:
        return item.title
    if item.kind is LocatorKind.FILE:
        return shown(Path(item.locator).name)
    if item.kind is LocatorKind.TELEGRAM:
        return item.locator.removeprefix("https://")
    return urlsplit(item.locator).hostname or item.key


def item_status(item: Item, feed: Feed) -> ItemStatus:
    """An item with what a feed has found out: of its backup, or of another line with the same key and its own title."""
    other_line = feed.item.key == item.key and feed.item.title != item.title
    own = "" if other_line else feed.title
    return ItemStatus(
        key=item.key,
        title=own or item_name(item),
        duration_seconds=feed.duration_seconds,
        is_live=feed.is_live,
    )


def _spool(report: SpoolReport) -> SpoolStatus:
    running = report.download
    return SpoolStatus(
        used_bytes=report.used_bytes,
        max_bytes=report.max_bytes,
        ready_items=report.ready_items,
        downloads=report.counts.downloads,
        failures=report.counts.failures,
        download=None if running is None else _download(running),
    )


def _download(report: DownloadReport) -> DownloadStatus:
    return DownloadStatus(
        item_key=report.item.key,
        title=report.item.title or report.title or item_name(report.item),
        have_bytes=report.have_bytes,
        whole_bytes=report.whole_bytes,
        percent=report.percent,
        bytes_per_second=report.bytes_per_second,
        ready_seconds=report.ready_seconds,
    )


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


def output_report(handler: OutputHandler, telegram: TelegramFacts, now_wall: float) -> OutputStatus:
    """One output as it is told: one that is on air and was not seen to be for too long is unknown."""
    report = handler.status()
    sightings = [report.sighting]
    if (watched := telegram.sightings.get(report.name)) is not None:
        sightings.append(watched)
    on_air = report.state is OutputState.ON_AIR
    values = _values(report, OutputReport)
    del values["sighting"]
    if on_air and any(one.stale for one in sightings):
        values["state"] = UNKNOWN
    return OutputStatus(
        **values,
        seen_wall=round(now_wall - max(one.seconds_ago for one in sightings), 1) if on_air else None,
        delivery=telegram.deliveries.get(report.name, ""),
    )


def _values(record: object, kind: Any) -> dict[str, Any]:
    """The fields of `kind` in `record`, by name."""
    return {one.name: getattr(record, one.name) for one in fields(kind)}
