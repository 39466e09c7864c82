"""Brings one item into a buffer of packets: from its cached encode or by attempts at its source."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from tg_video_streamer.backoff import Backoff
from tg_video_streamer.clock import Clock
from tg_video_streamer.disk import DISKS
from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.errors import (
    BeganAgain,
    FeedError,
    NotHouseFormat,
    PictureStands,
    ProbeFailed,
    SourceUnfinished,
    StepChanged,
    StreamerError,
)
from tg_video_streamer.events import Event, PictureFault, SourceFailed
from tg_video_streamer.feed.air_time import AirTime
from tg_video_streamer.feed.attempt import STALL_SECONDS, FeedContext
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.feed.cache import FeedCache
from tg_video_streamer.feed.cached_playback import play_cached
from tg_video_streamer.feed.ladder import EncodeLadder
from tg_video_streamer.feed.now_playing import NowPlaying
from tg_video_streamer.feed.overlay.overlay import ChooseOverlay, choose_once, no_overlay
from tg_video_streamer.feed.progress import AttemptResult, Progress, Step, expected_length, item_duration, require_start
from tg_video_streamer.feed.source_playback import SourcePlayback
from tg_video_streamer.feed.state import FEED_TRANSITIONS, FeedMode, FeedState
from tg_video_streamer.feed.url_refresh import UrlRefresh
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.ffmpeg.steps import EncodeStep
from tg_video_streamer.languages import NO_PREFERENCE, TrackPreference
from tg_video_streamer.library.cached_encode import CachedEncode
from tg_video_streamer.library.library import Library
from tg_video_streamer.media import CodecHeaders, seconds
from tg_video_streamer.playlist.file_names import shown
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Expansion, Media, Resolve
from tg_video_streamer.resolve.unfinished import lacks_its_index
from tg_video_streamer.state_machine import StateMachine

_log = structlog.get_logger(__name__)

PRIMED_SECONDS = 2.0
"""How much a feed must hold to go on air."""
MOVED_SECONDS = 1.0
"""The same where it replaces a feed of the same item that plays on until then: less, since someone waits for it."""
WAITING_SECONDS = 4.0
"""How much a feed holds at most while it waits to go on air."""
RETRY_PAUSES = Backoff(first=0.25, longest=15.0)
RECEIVED_FRAMES = 250
"""A connection of a live feed that gave less (10 s) counts as a failure: the pauses grow, up to the limit."""
_CHECK_SECONDS = 0.25


class Feed:
    """One item as packets in `buffer`. `run` belongs to the event loop; any thread may use the buffer."""

    def __init__(
        self,
        item: Item,
        *,
        resolve: Resolve,
        house: HouseFormat,
        headers: CodecHeaders | None,
        ffmpeg: Path,
        buffer_seconds: float,
        clock: Clock,
        publish: Callable[[Event], None],
        library: Library | None = None,
        start_seconds: float = 0.0,
        waiting_seconds: float = WAITING_SECONDS,
        stall_seconds: float = STALL_SECONDS,
        changed: Callable[[], None] = lambda: None,
        mode: FeedMode = FeedMode.ON_AIR,
        overlay: ChooseOverlay = no_overlay,
        preference: TrackPreference = NO_PREFERENCE,
        ask_source: Resolve | None = None,
        ladder: EncodeLadder | None = None,
    ) -> None:
        """`start_seconds` counts from the item's own start (its `start=`). `overlay` is called once.

        `headers`: the program's, which the child must have too; None accepts any. With a `library` a cached encode plays
        instead of the source, and the source is cached at its first play. `preference`: the channel's languages. `changed`
        is called in the event loop when the state or `primed` changes. `ask_source`: as `resolve`, but past the spool; None
        if there is none. `ladder`: by which its encode steps down on a busy host.
        """
        self.item = item
        self.expansion: Expansion | None = None
        """Set if the item is a list; `run` has ended then."""
        self.media: Media | None = None
        self.cached: CachedEncode | None = None
        """The cached encode that plays in place of the source; None while the source plays."""
        self.last_error: StreamerError | None = None
        self.retry_pauses = RETRY_PAUSES
        self._urls = UrlRefresh(item, resolve=resolve, clock=clock, failed=self._failed)
        overlay = choose_once(overlay)
        self._cache = FeedCache(
            item,
            library,
            resolve=ask_source or resolve,
            clock=clock,
            failed=partial(self._failed, covered=True),
            mode=mode,
            overlay=overlay,
        )
        self._publish, self._changed = publish, changed
        self._mode = mode
        self._clock = clock
        self._buffer_seconds = buffer_seconds
        self._waiting_seconds = min(waiting_seconds, buffer_seconds)
        self._needed_seconds = PRIMED_SECONDS
        self._on_air = self._was_primed = False
        self._put_before = 0
        self._machine = StateMachine(FEED_TRANSITIONS, FeedState.RESOLVING, self._moved)
        self._progress = Progress(rate=house.frame_rate, start_seconds=start_seconds)
        self.buffer = Buffer(house.frame_rate, limit_seconds=self._waiting_seconds)
        self.air_time = AirTime(self.buffer, clock)
        self.now_playing = NowPlaying(self.buffer, house.frame_rate)
        context = FeedContext(
            house=house if item.fit is None else replace(house, fit=item.fit),
            headers=headers,
            ffmpeg=ffmpeg,
            clock=clock,
            buffer=self.buffer,
            stall_seconds=stall_seconds,
            mode=mode,
        )
        self._playback = SourcePlayback(
            item,
            context,
            self._urls,
            overlay=overlay,
            air_time=self.air_time,
            preference=preference,
            on_title=self.now_playing.take,
            ladder=ladder,
            on_air=lambda: self._on_air,
        )

    @property
    def state(self) -> FeedState:
        """The current state."""
        return self._machine.state

    @property
    def title(self) -> DisplayText:
        """The operator's title, else the source's; with what a radio plays now."""
        found = self.cached or self.media
        return DisplayText(self.now_playing.named(self.item.title, found.title if found is not None else ""))

    @property
    def is_live(self) -> bool:
        """Whether its end cannot be known."""
        return self.media is not None and self.media.is_live

    @property
    def duration_seconds(self) -> float | None:
        """From the item's own start to its end; None if unknown."""
        if self.cached is not None:
            return self.cached.seconds
        return None if self.is_live else item_duration(self.item, self._playback.source, self.media)

    @property
    def expires_wall(self) -> float | None:
        """When the URLs in use expire; None if never, or if none are in use."""
        return self.media.expires_wall if self.media and not self.cached else None

    @property
    def plays_cached(self) -> bool:
        """Whether its packets come from a cached encode, not from its source."""
        return self.cached is not None

    @property
    def plays_prepared(self) -> bool:
        """Whether that cached encode is in the better format of what is encoded ahead of need."""
        return self.cached is not None and self.cached.prepared

    @property
    def encode_step(self) -> str:
        """The lowest step at which a part of it was encoded for want of processor time; empty for the full one."""
        step = self._playback.lowest_step
        return "" if step is EncodeStep.FULL else str(step)

    @property
    def cache_complete(self) -> bool:
        """Whether this feed encoded the item to its end into the library."""
        return self._cache.complete

    @property
    def primed(self) -> bool:
        """Whether it may go on air: it holds enough, or all of its item."""
        if self.buffer.finished:
            return self.buffer.head() is not None
        needed = self._buffer_seconds if self.is_live else min(self._needed_seconds, self._waiting_seconds)
        return self.buffer.seconds >= needed

    @property
    def rejoin_seconds(self) -> float:
        """How much it must hold to resume after it ran dry: a live feed that is a little slow would run dry again soon."""
        return self.buffer.limit_seconds if self.is_live else PRIMED_SECONDS

    def on_air(self) -> None:
        """It plays now: from now on it fills the whole buffer."""
        self._on_air = True
        self.buffer.sliding = False
        self.buffer.limit_seconds = self._buffer_seconds

    @property
    def known_source(self) -> SourceFacts | None:
        """What the probe of its source found; None before, and for a cached encode."""
        return self._playback.source

    def continues(self, other: Feed) -> None:
        """Before `run`: it is the item of `other` elsewhere. Its source is known, so loudness is not measured again."""
        self._playback.source = other.known_source
        self._needed_seconds = MOVED_SECONDS

    async def run(self) -> None:
        """Play the item to its end: state ENDED or FAILED. Cancelling kills and reaps the child."""
        try:
            while (pause := await self._try_once()) is not None:
                self._move(FeedState.RETRYING, self._why())
                await self._rest(pause)
                self._move(FeedState.RESOLVING)
        finally:
            self._cache.abandon()
            self._playback.close()
            self.buffer.finish()
        if self.cached is not None:
            await self._cache.check_source()
        # The detectors run ahead of the viewer: faults at the end are reported when they are played.
        while (self.cached is None or self._playback.watch.pending) and not (self.buffer.drained or self.buffer.closed):
            await asyncio.sleep(_CHECK_SECONDS)
            self._report_faults()
        self._report_faults()

    async def _try_once(self) -> float | None:
        """Find the item and continue it; seconds until the next attempt, None at the end."""
        stage = "resolve"
        try:
            found = await self._cache.find(self._current_media, begun=self.buffer.frames_put > 0)
            if found is None:
                return self._after(Step.END)
            if isinstance(found, CachedEncode):
                return await self._play_encode(found)
            stage = "probe"
            self._move(FeedState.PROBING)
            require_start(self.item, await self._playback.probe(found))
            if self._playback.endless and not found.is_live:
                self.media = found = replace(found, is_live=True)
            stage = "feed"
            self._move(FeedState.PRIMING)
            result = await self._play_source(found)
        except BeganAgain:
            self._move(FeedState.PRIMING)
            await self._after_whole()
            return None
        except StreamerError as error:
            return self._after_error(stage, await self._or_unfinished(error))
        except Exception as defect:  # noqa: BLE001 - whatever it is, only this item is lost
            _log.exception("defect in a feed", key=self.item.key, stage=stage)
            return self._after_error(
                stage, FeedError.of("feed.item_defect", detail=f"{type(defect).__name__}: {defect}")
            )
        finally:
            await self._playback.disconnect()
        return await self._after_result(result)

    async def _play_encode(self, encode: CachedEncode) -> float | None:
        self.cached = encode
        self._move(FeedState.PRIMING)
        await self._cache.played(encode)
        first_frame, result = await play_cached(
            encode,
            self.buffer,
            frame=self._progress.frames,
            watch=self._playback.watch,
            on_progress=self._progressed,
        )
        self._progress.move_start(first_frame)
        self._progress.add(result)
        if result.error is None:
            return self._after(Step.END)
        self.cached = None
        if not result.frames and await self._cache.removed(encode):
            return 0.0
        # The source continues at the very frame at which the cached encode is damaged.
        self._failed("feed", result.error)
        await self._cache.drop(encode, str(result.error))
        return 0.0

    async def _current_media(self) -> Media | None:
        """Where the item is now; None if it is a list."""
        found = await self._urls.take()
        if isinstance(found, Expansion):
            self.expansion = found
            return None
        self.media = found
        if found.is_live:
            self.buffer.limit_seconds = self._buffer_seconds
            self.buffer.sliding = not self._on_air
        return found

    async def _play_source(self, media: Media) -> AttemptResult:
        start = self._progress.start_point(self.item, live=media.is_live)
        self._put_before = self.buffer.frames_put
        # Without the subtitles that it should have, it is no encode to play again.
        if not start.frames and not self._playback.subtitles.failed:
            await self._cache.begin(media, encoded=not await self._playback.may_pass_through(start))
        result = await self._playback.play(media, start, on_packet=self._cache.add, on_progress=self._progressed)
        if self.encode_step:
            # It is encoded again when the host has time.
            self._cache.abandon()
        received = any(one.received for one in media.inputs)
        self._progress.add(result, least_frames=RECEIVED_FRAMES if received else 1)
        return result

    async def _or_unfinished(self, error: StreamerError) -> StreamerError:
        """SourceUnfinished in place of what an MP4 without its index causes while it is recorded."""
        if not isinstance(error, ProbeFailed) or self.media is None:
            return error
        for one in self.media.inputs:
            if one.is_file and one.growing is None:
                try:
                    unfinished = await DISKS.run(Path(one.location), lacks_its_index, Path(one.location))
                except OSError:
                    continue  # the probe's own error says more
                if unfinished:
                    return SourceUnfinished.of("source.still_written", path=shown(one.location))
        return error

    def _after_error(self, stage: str, error: StreamerError) -> float | None:
        self._failed(stage, error)
        permanent = error.permanent or (isinstance(error, ProbeFailed) and self._is_file)
        return self._after(Step.GIVE_UP if permanent else self._progress.after_failure(live=self.is_live))

    async def _after_result(self, result: AttemptResult) -> float | None:
        if isinstance(result.error, NotHouseFormat | PictureStands | StepChanged):
            return 0.0
        if result.error is not None:
            self._failed("feed", result.error)
            if result.error.permanent:
                return self._after(Step.GIVE_UP)
        expected = expected_length(self.item, self._playback.source, self.media)
        step = self._progress.after_result(result, live=self.is_live, is_file=self._is_file, expected=expected)
        if step is Step.TRY_AGAIN and result.error is None:
            _log.info("source ended early", key=self.item.key, at_seconds=round(self._progress.seconds, 2))
        whole = step is Step.END and self._progress.played_whole(result, is_file=self._is_file, expected=expected)
        if not whole:
            return self._after(step)
        await self._after_whole()
        return None

    async def _after_whole(self) -> None:
        """All of the item was played."""
        self._after(Step.END)
        await self._cache.commit(self._playback.watch.spans(self._progress.seconds))

    def _after(self, step: Step) -> float | None:
        if step is Step.GIVE_UP and self.item.persists:
            return self.retry_pauses.longest
        if step is Step.TRY_AGAIN:
            return self.retry_pauses.pause(self._progress.failures)
        self.buffer.finish()
        if step is Step.END:
            self._move(FeedState.ENDED)
        else:
            self._move(FeedState.FAILED, self._why())
        return None

    async def _rest(self, pause: float) -> None:
        until = self._clock.monotonic() + pause
        while (left := until - self._clock.monotonic()) > 0:
            await asyncio.sleep(min(left, _CHECK_SECONDS))
            self._progressed()

    def _progressed(self) -> None:
        """Check a few times a second whether it is primed, and which faults viewers have met."""
        fresh_frames = self.buffer.frames_put > self._put_before
        if fresh_frames and self.state is FeedState.PRIMING and (self.primed or self._on_air):
            self._move(FeedState.RUNNING)
        if self.now_playing.reached() or self.primed != self._was_primed:
            self._was_primed = self.primed
            self._changed()
        self._report_faults()

    def _report_faults(self) -> None:
        for fault in self._playback.watch.reached(seconds(self.buffer.taken_ticks)):
            _log.info("picture fault", fault=fault.fault, active=fault.active, key=self.item.key)
            if self._mode is FeedMode.ON_AIR:
                self._publish(
                    PictureFault(
                        wall=self._clock.wall(),
                        fault=fault.fault,
                        active=fault.active,
                        key=self.item.key,
                        title=self.title,
                    )
                )

    def _failed(self, stage: str, error: StreamerError, *, covered: bool = False) -> None:
        self.last_error = error
        if isinstance(error, SourceUnfinished):
            _log.info("file still being written, it is waited for", key=self.item.key)
            return
        # One loss of a live feed counts once, however often it is tried again.
        again = self.is_live and self._progress.failures > 0
        on_air = self._mode is FeedMode.ON_AIR and not again
        warn = _log.warning if on_air else _log.debug
        warn("source failed", stage=stage, reason=error.reason, error=str(error), key=self.item.key)
        if on_air:
            self._publish(
                SourceFailed(
                    wall=self._clock.wall(),
                    stage=stage,
                    reason=error.reason,
                    detail=str(error),
                    key=self.item.key,
                    title=self.title,
                    covered=covered,
                )
            )

    @property
    def _is_file(self) -> bool:
        return self.media is not None and self.media.is_file

    def _why(self) -> str:
        return str(self.last_error) if self.last_error else "the source ended early"

    def _move(self, state: FeedState, why: str = "") -> None:
        self._machine.move(state, why)

    def _moved(self, old: FeedState, new: FeedState, why: str) -> None:
        _log.debug("feed moved", old=str(old), new=str(new), why=why, key=self.item.key)
        self._was_primed = self.primed
        self._changed()
