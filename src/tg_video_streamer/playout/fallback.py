"""Chooses the source on air: always the best level that works; a frame is never missing.

live → item → its backup → next item → filler → slate. The slate lies in memory, so it always has a frame. A next item may have a
cue: it is not available before that frame, and may cut what is on air there, unless that is live.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from tg_video_streamer.errors import FeedError, OffGrid
from tg_video_streamer.events import AirContent, CutReason, SlateReason, SourceLevel
from tg_video_streamer.media import Packet, Stamped
from tg_video_streamer.playout.cue import Cue
from tg_video_streamer.playout.segment import Segment
from tg_video_streamer.playout.slate import Slate
from tg_video_streamer.playout.source import AirSource, SlateSource
from tg_video_streamer.playout.timeline import GridPosition


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """One change on air: the segment that left (None at the start) and the one that follows."""

    left: Segment | None
    started: Segment
    reason: CutReason
    resumed: bool
    """`started` continues a source that was set aside."""
    set_aside: bool
    """`left` is not over: it waits to be resumed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Aside:
    segment: Segment
    since: float
    held: bool
    """The operator or a live stream set it aside; it did not run dry."""

    @property
    def source(self) -> AirSource:
        return self.segment.source

    @property
    def ready(self) -> bool:
        packets = self.source.packets
        return self.held or packets.seconds >= self.source.rejoin_seconds() or packets.finished


class FallbackChain:
    """The policy; it has no thread, and no clock but the `now` (monotonic seconds) that it is given."""

    def __init__(
        self,
        slate: Slate,
        *,
        on_cut: Callable[[Cut], None],
        on_end: Callable[[AirSource, CutReason], None],
        on_failure: Callable[[AirSource, FeedError], None],
    ) -> None:
        """`on_end` is called for a source that was set aside and will not be resumed."""
        self._slate = slate
        self._on_cut = on_cut
        self._on_end = on_end
        self._on_failure = on_failure
        self._position = GridPosition()
        self._aside: _Aside | None = None
        self._skip: AirSource | None = None
        self._skip_reason = CutReason.SKIPPED
        self._replacement: tuple[AirSource, AirSource] | None = None
        """The item, and what takes its place at the next frame: the same item elsewhere."""
        self._instead: AirSource | None = None
        """A backup that plays to its end in the place of an item that failed."""
        self.segment: Segment | None = None
        """On air; None before the first frame."""
        self.live: AirSource | None = None
        """Primed: replaces everything but the operator's slate."""
        self._following: deque[AirSource] = deque()
        """Primed, in their order."""
        self.cue: Cue | None = None
        """When `next` starts; None: in its turn."""
        self.backup: AirSource | None = None
        """Primed: plays while the item is away, before the filler; and in place of the rest of one that failed."""
        self.filler: AirSource | None = None
        """Primed: plays while no item is ready."""
        self.held: SlateReason | None = None
        """The operator's slate; the item waits."""
        self.slate_reason = SlateReason.STARTING
        """What the slate states when the operator did not ask for it."""
        self._broke = False
        """The last item on air left because of its source."""

    @property
    def frames(self) -> int:
        """Pictures since the start of the program."""
        return self.segment.start.video + self.segment.frames if self.segment is not None else 0

    @property
    def next(self) -> AirSource | None:
        """Primed: follows the item, or replaces filler and slate at once."""
        return self._following[0] if self._following else None

    @property
    def item(self) -> AirSource | None:
        """The item that is on air or set aside."""
        segment = self._item_segment
        return segment.source if segment is not None else None

    @property
    def item_ticks(self) -> int:
        """The item's own time of its next picture; 0 without an item."""
        segment = self._item_segment
        return segment.own_ticks if segment is not None else 0

    def offer(self, source: AirSource) -> None:
        """`source` becomes `live` or `next`, by its level."""
        if source.content.level is SourceLevel.LIVE:
            self.live = source
        else:
            self._following = deque((source,))

    def offer_after(self, source: AirSource) -> None:
        """`source` follows the items that are on offer."""
        self._following.append(source)

    def withdraw(self, source: AirSource) -> bool:
        """Take back an offer; False where it is on air already."""
        if source is self.live:
            self.live = None
        elif source in self._following:
            self._following.remove(source)
        elif self._replacement is not None and self._replacement[1] is source:
            self._replacement = None
        else:
            return False
        return True

    def skip(self) -> AirSource | None:
        """Leave the live stream, else `item`, at the next frame; the one that is left, None where there is none."""
        self._skip = self.segment.source if self.segment is not None and self._on(SourceLevel.LIVE) else self.item
        self._skip = self._skip or self._instead
        self._skip_reason = CutReason.SKIPPED
        return self._skip

    def replace_item(self, source: AirSource, other: AirSource) -> None:
        """Put `other` in the place of the item `source` at the next frame, also while that waits."""
        self._replacement = source, other

    def end_item(self, source: AirSource, reason: CutReason) -> None:
        """Leave `source` at the next frame if it is the item or its backup, also while it waits."""
        if source in {self.item, self._instead}:
            self._skip, self._skip_reason = source, reason

    def skip_item(self) -> None:
        """Leave `item` at the next frame, also while it waits behind a live stream."""
        self._skip = self.item or self._instead
        self._skip_reason = CutReason.SKIPPED

    def update(self, now: float, out: list[Stamped]) -> None:
        """Follow the operator, and cut to a better source that is ready; once a slice, before its frames."""
        if self.segment is None:
            self._descend(CutReason.STARTED, out)
        if self._skip is not None:
            self._leave(self._skip, out)
        if self._replacement is not None:
            self._replace(*self._replacement, out)
        if self.held is not None:
            if self._slate_shown is not self.held:
                self._set_aside(now, held=True)
                self._cut_to_slate(self.held, CutReason.HELD, out)
        elif self.live is not None and not self._on(SourceLevel.LIVE):
            self._set_aside(now, held=True)
            self._take_over(out)
        elif not self._start_on_cue(out) and not self._on(SourceLevel.ITEM) and not self._on(SourceLevel.LIVE):
            self._climb(now, out)

    def frame(self, now: float, out: list[Stamped]) -> None:
        """Append exactly one picture, and the sound that belongs before it."""
        self._start_on_cue(out)
        while True:
            segment = self.segment or self._descend(CutReason.STARTED, out)
            source = segment.source
            try:
                if segment.frame(out):
                    return
            except FeedError as error:
                self._on_failure(source, error)
                fault = CutReason.OFF_GRID if isinstance(error, OffGrid) else CutReason.SOURCE_FAILED
                self._descend(fault, out)
                continue
            if source.packets.drained:
                self._descend(source.outcome(), out)
                continue
            if self._on(SourceLevel.ITEM) and (self._available_next is None or source.grace() > 0):
                self._set_aside(now, held=False)
            self._descend(source.outcome() if self._on(SourceLevel.LIVE) else CutReason.SOURCE_STALLED, out)

    def _leave(self, skipped: AirSource, out: list[Stamped]) -> None:
        self._skip = None
        self._broke = False
        if self._aside is not None and self._aside.source is skipped:
            self._end_aside(self._skip_reason)
            if self._backup_shown and self.held is None:
                self._descend(self._skip_reason, out)
        elif self.segment is not None and self.segment.source is skipped:
            self._instead = None
            self._descend(self._skip_reason, out)

    def _replace(self, source: AirSource, other: AirSource, out: list[Stamped]) -> None:
        self._replacement = None
        if self._aside is not None and self._aside.source is source:
            waiting = Segment(other, self._position, self._slate.rate, self._slate.silence)
            self._aside = replace(self._aside, segment=waiting)
            self._on_end(source, CutReason.SOUGHT)
        elif self.segment is not None and self.segment.source is source:
            self._cut(other, CutReason.SOUGHT, out)

    def _climb(self, now: float, out: list[Stamped]) -> None:
        if self._aside is not None and self._resumes(self._aside, now, out):
            return
        if self._instead is not None and self.segment is not None and self.segment.source is self._instead:
            return
        if self._aside is None and self._available_next is not None:
            self._descend(CutReason.ITEM_READY, out)
        elif self._backup_is_due or (self._slate_shown is not None and self.filler is not None):
            self._descend(CutReason.FILLER_READY, out)
        elif self._slate_shown not in {None, self._idle_reason}:
            self._cut_to_slate(self._idle_reason, CutReason.SLATE_CHANGED, out)

    def _resumes(self, aside: _Aside, now: float, out: list[Stamped]) -> bool:
        """Resume the item that was set aside if it can be, or end it; True where it is on air again."""
        if aside.source.packets.drained:
            outcome = aside.source.outcome()
            self._end_aside(outcome)
            if outcome.source_fault and self._backup_shown and self.segment is not None:
                self._instead = self.segment.source
        elif aside.ready:
            self._resume(aside, CutReason.RESUMED, out)
            return True
        elif self._available_next is not None and now - aside.since >= aside.source.grace():
            self._end_aside(CutReason.SOURCE_STALLED)
        return False

    def _descend(self, reason: CutReason, out: list[Stamped]) -> Segment:
        """Cut to the best source that is ready."""
        self._broke = self._broke or reason.source_fault
        if self.held is not None:
            return self._cut_to_slate(self.held, reason, out)
        if self.live is not None:
            return self._take_over(out)
        if self._must_start:
            self._end_aside(CutReason.SCHEDULED)
        if self._on(SourceLevel.LIVE) and (aside := self._aside) is not None:
            if aside.source.packets.drained:
                self._end_aside(aside.source.outcome())
            elif aside.ready:
                return self._resume(aside, reason, out)
        return self._stand_in(reason, out)

    def _stand_in(self, reason: CutReason, out: list[Stamped]) -> Segment:
        """Cut to what plays while no item does, or to the next item: backup, next, filler, slate."""
        self._instead = None
        if self.backup is not None and self._needs_backup(reason):
            backup, self.backup = self.backup, None
            if self._aside is None:
                self._instead = backup
            return self._cut(backup, reason, out)
        if self._aside is None and (following := self._available_next) is not None:
            self._following.popleft()
            self.cue = None
            return self._cut(following, reason, out)
        if self.filler is not None:
            filler, self.filler = self.filler, None
            return self._cut(filler, reason, out)
        return self._cut_to_slate(self._idle_reason, reason, out)

    def _start_on_cue(self, out: list[Stamped]) -> bool:
        """Cut to the item that must start in this frame; the item it cuts is over. A live stream continues."""
        if not self._must_start or self.held is not None or self._on(SourceLevel.LIVE):
            return False
        self._descend(CutReason.SCHEDULED, out)
        return True

    def _needs_backup(self, reason: CutReason) -> bool:
        """Whether the backup plays now: the item waits for its source, or its source has failed for good."""
        if self._aside is not None:
            return not self._aside.held
        return reason.source_fault and self._on(SourceLevel.ITEM)

    @property
    def _backup_is_due(self) -> bool:
        waits = self._aside is not None and not self._aside.held
        return waits and self.backup is not None and not self._backup_shown

    @property
    def _backup_shown(self) -> bool:
        return self._on(SourceLevel.BACKUP)

    @property
    def _must_start(self) -> bool:
        return self.cue is not None and self.cue.cuts and self._available_next is not None

    @property
    def _available_next(self) -> AirSource | None:
        """`next`, unless its cue is still to come."""
        early = self.cue is not None and self.frames < self.cue.frame
        return None if early else self.next

    @property
    def _idle_reason(self) -> SlateReason:
        waits = self.next is not None and self._available_next is None and self._aside is None
        if waits:
            return SlateReason.SCHEDULED
        broke = self._broke and self.slate_reason is SlateReason.LOADING
        return SlateReason.SOURCE_FAILED if broke else self.slate_reason

    @property
    def _slate_shown(self) -> SlateReason | None:
        return self.segment.source.content.slate_reason if self.segment is not None else None

    @property
    def _item_segment(self) -> Segment | None:
        if self._aside is not None:
            return self._aside.segment
        return self.segment if self._on(SourceLevel.ITEM) else None

    def _on(self, level: SourceLevel) -> bool:
        return self.segment is not None and self.segment.source.content.level is level

    def _take_over(self, out: list[Stamped]) -> Segment:
        assert self.live is not None  # noqa: S101 - both callers have checked it
        source, self.live = self.live, None
        return self._cut(source, CutReason.TAKEOVER, out)

    def _resume(self, aside: _Aside, reason: CutReason, out: list[Stamped]) -> Segment:
        self._aside = None
        return self._cut(aside.source, reason, out, repeated=aside.segment.rejoin, resumed=True)

    def _cut_to_slate(self, slate_reason: SlateReason, reason: CutReason, out: list[Stamped]) -> Segment:
        packets = SlateSource(self._slate.gop(slate_reason), self._slate.silence, self._slate.rate)
        content = AirContent(level=SourceLevel.SLATE, slate_reason=slate_reason)
        return self._cut(AirSource(packets=packets, content=content), reason, out)

    def _cut(
        self,
        source: AirSource,
        reason: CutReason,
        out: list[Stamped],
        *,
        repeated: tuple[Packet, ...] = (),
        resumed: bool = False,
    ) -> Segment:
        left = self.segment
        if left is not None:
            self._position = left.leave(out)
        self.segment = Segment(source, self._position, self._slate.rate, self._slate.silence, repeated=repeated)
        if self._on(SourceLevel.ITEM):
            self._broke = False
        set_aside = self._aside is not None and self._aside.segment is left
        self._on_cut(Cut(left=left, started=self.segment, reason=reason, resumed=resumed, set_aside=set_aside))
        return self.segment

    def _set_aside(self, now: float, *, held: bool) -> None:
        if self.segment is not None and self._on(SourceLevel.ITEM):
            self._aside = _Aside(segment=self.segment, since=now, held=held)

    def _end_aside(self, reason: CutReason) -> None:
        if self._aside is not None:
            source, self._aside = self._aside.source, None
            self._on_end(source, reason)
