"""Which level viewers are on: always the highest that works, down in the very frame where one fails, and up by itself.

live → item → next item → filler → slate. The slate lies in memory, so a frame is always found. A next item may have a
cue: it is not available before that frame, and may cut what is on air there, unless that is live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tg_video_streamer.errors import FeedError
from tg_video_streamer.events import SourceLevel
from tg_video_streamer.media import Packet, Stamped
from tg_video_streamer.playout.cue import Cue
from tg_video_streamer.playout.segment import Segment
from tg_video_streamer.playout.slate import Slate, SlateReason
from tg_video_streamer.playout.source import AirSource, SlateSource
from tg_video_streamer.playout.timeline import GridPosition

REJOIN_SECONDS = 2.0
"""An item that ran dry comes back once it holds this much, lest it runs dry again at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """One change on air: what left (None at the very start) and what came."""

    left: Segment | None
    came: Segment
    reason: str
    resumed: bool
    """`came` was on air before and was set aside."""
    set_aside: bool
    """`left` is not over: it waits to be resumed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Aside:
    stretch: Segment
    since: float
    held: bool
    """It was set aside by a wish, not because it ran dry."""


class FallbackChain:
    """The policy; knows no thread and no clock but the `now` (monotonic seconds) that it is given."""

    def __init__(
        self,
        slate: Slate,
        *,
        cut: Callable[[Cut], None],
        gone: Callable[[AirSource, str], None],
        failed: Callable[[AirSource, FeedError], None],
    ) -> None:
        """`cut` hears every change, `gone` of a showing that was set aside and will not come back, `failed` of errors."""
        self._slate = slate
        self._cut_heard = cut
        self._gone_heard = gone
        self._failed_heard = failed
        self._position = GridPosition()
        self._aside: _Aside | None = None
        self._skip: AirSource | None = None
        self._slate_shown: SlateReason | None = None
        self.stretch: Segment | None = None
        """What is on air; None before the first frame."""
        self.live: AirSource | None = None
        """Primed: takes over from everything but the operator's slate."""
        self.next: AirSource | None = None
        """Primed: follows the item, or replaces filler and slate at once."""
        self.cue: Cue | None = None
        """When `next` begins; None: in its turn."""
        self.filler: AirSource | None = None
        """Primed: covers what the items leave open."""
        self.held: SlateReason | None = None
        """The operator's wish for the slate; the item waits."""
        self.slate_reason = SlateReason.STARTING
        """What the slate says when it comes up without a wish."""

    @property
    def frames(self) -> int:
        """Pictures aired since the start."""
        if self.stretch is None:
            return 0
        return self.stretch.start.video + self.stretch.frames

    @property
    def item(self) -> AirSource | None:
        """The item that is on air or set aside."""
        if self._aside is not None:
            return self._aside.stretch.showing
        return self.stretch.showing if self.stretch is not None and self._on_item() else None

    @property
    def item_ticks(self) -> int:
        """The item's own time of its next picture; 0 where there is no item."""
        if self._aside is not None:
            return self._aside.stretch.own_ticks
        return self.stretch.own_ticks if self.stretch is not None and self._on_item() else 0

    def offer(self, showing: AirSource) -> None:
        """`showing` becomes `live` or `next`, by its level."""
        if showing.level is SourceLevel.LIVE:
            self.live = showing
        else:
            self.next = showing

    def withdraw(self, showing: AirSource) -> bool:
        """Take back what was offered; False where it was taken already."""
        if showing is self.live:
            self.live = None
        elif showing is self.next:
            self.next = None
        else:
            return False
        return True

    def skip(self) -> AirSource | None:
        """Leave what is live, else `item`, at the next frame; which one that is, None where there is none."""
        self._skip = self.stretch.showing if self.stretch is not None and self._on_live() else self.item
        return self._skip

    def skip_item(self) -> None:
        """Leave `item` at the next frame, so that `next` has its place, also behind what is live."""
        self._skip = self.item

    def obey(self, now: float, out: list[Stamped]) -> None:
        """Do what the operator wishes and climb where something better is ready; once a slice, before its frames."""
        if self.stretch is None:
            self._descend("started", out)
        if self._skip is not None:
            self._leave(self._skip, out)
        if self.held is not None:
            if self._slate_shown is not self.held:
                self._set_aside(now, held=True)
                self._to_slate(self.held, "held", out)
        elif self.live is not None and not self._on_live():
            self._set_aside(now, held=True)
            self._take_over(out)
        elif not self._start_on_cue(out) and not self._on_item() and not self._on_live():
            self._climb(now, out)

    def frame(self, now: float, out: list[Stamped]) -> None:
        """Append exactly one picture, and the sound that belongs before it."""
        self._start_on_cue(out)
        while True:
            stretch = self.stretch or self._descend("started", out)
            try:
                if stretch.frame(out):
                    return
            except FeedError as error:
                self._failed_heard(stretch.showing, error)
                self._descend(error.reason, out)
                continue
            if stretch.showing.source.drained:
                self._descend(stretch.showing.outcome(), out)
                continue
            if self._on_item() and (self._due is None or stretch.showing.grace() > 0):
                self._set_aside(now, held=False)
            self._descend(stretch.showing.outcome() if self._on_live() else "source_stalled", out)

    def _leave(self, skipped: AirSource, out: list[Stamped]) -> None:
        self._skip = None
        if self._aside is not None and self._aside.stretch.showing is skipped:
            self._forget("skipped")
        elif self.stretch is not None and self.stretch.showing is skipped:
            self._descend("skipped", out)

    def _climb(self, now: float, out: list[Stamped]) -> None:
        aside = self._aside
        if aside is not None:
            showing = aside.stretch.showing
            source = showing.source
            if source.drained:
                self._forget(showing.outcome())
            elif _ready(aside):
                self._resume(aside, "resumed", out)
                return
            elif self._due is not None and now - aside.since >= showing.grace():
                self._forget("source_stalled")
        if self._aside is None and self._due is not None:
            self._descend("item_ready", out)
        elif self._slate_shown is not None and self.filler is not None:
            self._descend("filler_ready", out)
        elif self._slate_shown not in {None, self._why_slate}:
            self._to_slate(self._why_slate, str(self._why_slate), out)

    def _descend(self, reason: str, out: list[Stamped]) -> Segment:
        """Cut to the highest level that is ready."""
        if self.held is not None:
            return self._to_slate(self.held, reason, out)
        if self.live is not None:
            return self._take_over(out)
        if self._must_begin:
            self._forget("scheduled")
        if self._on_live() and (aside := self._aside) is not None:
            if aside.stretch.showing.source.drained:
                self._forget(aside.stretch.showing.outcome())
            elif _ready(aside):
                return self._resume(aside, reason, out)
        if self._aside is None and (due := self._due) is not None:
            self.next = self.cue = None
            return self._cut(due, reason, out)
        if self.filler is not None:
            showing, self.filler = self.filler, None
            return self._cut(showing, reason, out)
        return self._to_slate(self._why_slate, reason, out)

    def _start_on_cue(self, out: list[Stamped]) -> bool:
        """Cut to what is to begin in this frame; what it cuts is over. What is live goes on."""
        if not self._must_begin or self.held is not None or self._on_live():
            return False
        self._descend("scheduled", out)
        return True

    @property
    def _must_begin(self) -> bool:
        return self.cue is not None and self.cue.cuts and self._due is not None

    @property
    def _due(self) -> AirSource | None:
        """`next`, unless its time is still to come."""
        early = self.cue is not None and self.frames < self.cue.frame
        return None if early else self.next

    @property
    def _why_slate(self) -> SlateReason:
        waits = self.next is not None and self._due is None and self._aside is None
        return SlateReason.SCHEDULED if waits else self.slate_reason

    def _take_over(self, out: list[Stamped]) -> Segment:
        assert self.live is not None  # noqa: S101 - the caller has looked
        showing, self.live = self.live, None
        return self._cut(showing, "takeover", out)

    def _resume(self, aside: _Aside, reason: str, out: list[Stamped]) -> Segment:
        self._aside = None
        return self._cut(aside.stretch.showing, reason, out, aired=aside.stretch.rejoin, resumed=True)

    def _to_slate(self, text: SlateReason, reason: str, out: list[Stamped]) -> Segment:
        source = SlateSource(self._slate.gop(text), self._slate.silence)
        stretch = self._cut(AirSource(source=source, level=SourceLevel.SLATE, title=str(text)), reason, out)
        self._slate_shown = text
        return stretch

    def _cut(
        self,
        showing: AirSource,
        reason: str,
        out: list[Stamped],
        *,
        aired: tuple[Packet, ...] = (),
        resumed: bool = False,
    ) -> Segment:
        left = self.stretch
        if left is not None:
            self._position = left.leave(out)
        self.stretch = Segment(showing, self._position, self._slate.silence, aired=aired)
        self._slate_shown = None
        set_aside = self._aside is not None and self._aside.stretch is left
        self._cut_heard(Cut(left=left, came=self.stretch, reason=reason, resumed=resumed, set_aside=set_aside))
        return self.stretch

    def _set_aside(self, now: float, *, held: bool) -> None:
        if self._on_item() and self.stretch is not None:
            self._aside = _Aside(stretch=self.stretch, since=now, held=held)

    def _forget(self, reason: str) -> None:
        if self._aside is not None:
            showing, self._aside = self._aside.stretch.showing, None
            self._gone_heard(showing, reason)

    def _on_live(self) -> bool:
        return self.stretch is not None and self.stretch.showing.level is SourceLevel.LIVE

    def _on_item(self) -> bool:
        return self.stretch is not None and self.stretch.showing.level in {SourceLevel.ITEM, SourceLevel.KEPT}


def _ready(aside: _Aside) -> bool:
    source = aside.stretch.showing.source
    return aside.held or source.seconds >= REJOIN_SECONDS or source.finished
