"""What an ffmpeg child makes of a source: probes it, plays stretches of it, and keeps its addresses fresh meanwhile."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from tg_video_streamer.errors import NotHouseFormat, StreamerError
from tg_video_streamer.feed.air_time import AirTime
from tg_video_streamer.feed.attempt import FeedContext, attempt
from tg_video_streamer.feed.attempt_bounds import AttemptResult, StartPoint
from tg_video_streamer.feed.overlay.branding import CannotDraw, drawn_caption
from tg_video_streamer.feed.overlay.overlay import NO_OVERLAY, ChooseOverlay, OverlayFiles
from tg_video_streamer.feed.passthrough import may_take_over
from tg_video_streamer.feed.picture_faults import Fault, FaultWatch
from tg_video_streamer.feed.probe.probe import carried_over, probe
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.feed.url_refresh import UrlRefresh
from tg_video_streamer.ffmpeg.encode import audio_bits
from tg_video_streamer.ffmpeg.inputs import dropped_headers
from tg_video_streamer.ffmpeg.source import Goal, Measured, SourceFacts
from tg_video_streamer.library.sidecar import FaultSpan
from tg_video_streamer.media import Packet
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Media, MediaInput

_log = structlog.get_logger(__name__)


class Encoding:
    """The tries at one item; remembers what was found out, so that the next need not."""

    def __init__(
        self,
        item: Item,
        setting: FeedContext,
        renewal: UrlRefresh,
        *,
        overlay: ChooseOverlay,
        air_time: AirTime,
    ) -> None:
        self._item = item
        self._overlay = overlay
        self._air_time = air_time
        self._caption: bytes | None = None
        self._caption_asked = False
        self._setting = setting
        self._renewal = renewal
        self._known_inputs: tuple[MediaInput, ...] | None = None
        self.watch = FaultWatch()
        """What is known to be wrong with its picture or sound."""
        self._refused = False
        self.source: SourceFacts | None = None
        """What the probe found."""

    async def takes_over(self, place: StartPoint) -> bool:
        """Whether what was probed is played from `place` on without encoding it."""
        setting = self._setting
        if self.source is None or setting.headers is None or self._refused or place.frames or place.skipped_seconds:
            return False
        if await self._overlay() != NO_OVERLAY:
            return False
        return may_take_over(self._item, self.source, setting.house, setting.headers)

    async def probed(self, media: Media) -> SourceFacts:
        """What `media` holds; asked only where it is not known. Raises ProbeFailed."""
        before = self.source
        if before is not None and self._known_inputs == media.inputs:
            return before
        for one in media.inputs:
            if not one.is_file and (dropped := dropped_headers(one.headers)):
                _log.warning("request headers cannot be sent", names=dropped, key=self._item.key)
        first = Measured.WHOLE if self._setting.mode is FeedMode.PREPARING else Measured.SAMPLES
        measured = first if before is None else Measured.NOT
        goal = self._goal() if measured is Measured.WHOLE else None
        found = await probe(media, wanted_height=self._setting.house.height, measured=measured, goal=goal)
        self.source = carried_over(found, before, media)
        return self.source

    def _goal(self) -> Goal | None:
        """None for an item without any sound: nothing makes that as loud as others."""
        house, item = self._setting.house, self._item
        if item.volume <= 0:
            return None
        return Goal(
            loudness_lufs=house.loudness_lufs + 20 * math.log10(item.volume),
            audio_bits=audio_bits(house),
            begin_seconds=item.start_seconds,
            end_seconds=item.end_seconds,
        )

    async def played(
        self, media: Media, place: StartPoint, *, keep: Callable[[Packet], None], progressed: Callable[[], None]
    ) -> AttemptResult:
        """One try from `place` on, into the buffer, each packet to `keep` too; `probed` comes before. Raises FeedError.

        An outcome with NotHouseFormat: it was tried without encoding it, and from now on it is encoded.
        """
        source = self.source
        assert source is not None  # noqa: S101 - the caller has probed it
        taken_over = await self.takes_over(place)
        files = await self._worn(media, place)
        self.watch.begin(place.item_seconds)

        def moved_on() -> None:
            files.set_clock(self._air_time.of(place))
            progressed()

        async with asyncio.TaskGroup() as group:
            renewal = group.create_task(self._renewal.keep(media), name="renew urls")
            failure: StreamerError | None = None
            try:
                with files:
                    outcome = await attempt(
                        self._setting,
                        media,
                        source,
                        place,
                        end_seconds=self._item.end_seconds,
                        volume=self._item.volume,
                        on_top=files.on_top,
                        taken_over=taken_over,
                        on_line=self.watch.take,
                        keep=keep,
                        progressed=moved_on,
                    )
            except StreamerError as error:
                # Raised inside the group it would come out as a group of errors.
                failure = error
            finally:
                renewal.cancel()
        if failure is not None:
            raise failure
        return self._learnt(outcome, media, taken_over=taken_over)

    def _learnt(self, outcome: AttemptResult, media: Media, *, taken_over: bool) -> AttemptResult:
        """Whatever went wrong without the encoder, it is tried with it: what that meets is told as always."""
        # What has given frames need not be asked again.
        self._known_inputs = media.inputs if (outcome.frames or taken_over) and not media.is_live else None
        if not taken_over:
            return outcome
        self._refused = True
        if outcome.error is None:
            _log.info("in house format already: taken over without encoding", key=self._item.key)
            return outcome
        _log.info("not taken over: it is encoded", key=self._item.key, why=str(outcome.error))
        return replace(outcome, error=NotHouseFormat(outcome.error.what, remedy="it is encoded"))

    def spans(self, end_seconds: float) -> tuple[FaultSpan, ...]:
        """All that was found wrong with an item that ended at `end_seconds`."""
        return self.watch.spans(end_seconds)

    async def _worn(self, media: Media, place: StartPoint) -> OverlayFiles:
        """What this try wears; open from now on. The clock already tells the time of the first frame."""
        overlay = await self._overlay()
        if overlay.caption and not self._caption_asked:
            self._caption_asked = True
            self._caption = await self._drawn(self._item.title or media.title)
        begun = self._air_time.begin(place)
        files = OverlayFiles(overlay, self._caption, age_seconds=place.item_seconds - begun)
        files.set_clock(self._air_time.of(place))
        return files

    async def _drawn(self, title: str) -> bytes | None:
        """The picture of the title; None where there is none, or it cannot be written."""
        if not title.strip():
            return None
        try:
            return await drawn_caption(title, self._setting.house)
        except CannotDraw as error:
            _log.warning("the title is not shown on the picture", key=self._item.key, title=title, why=str(error))
            return None

    def faults(self, played_seconds: float) -> Sequence[Fault]:
        """What a viewer at `played_seconds` of the item has newly met."""
        return self.watch.due(played_seconds)
