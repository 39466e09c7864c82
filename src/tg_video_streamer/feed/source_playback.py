"""Plays the source of one item through ffmpeg: probes it, runs attempts, and renews its URLs meanwhile."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace

import structlog

from tg_video_streamer.display_text import DisplayText
from tg_video_streamer.errors import (
    EncoderFailed,
    ForeignHeaders,
    NotHouseFormat,
    PictureStands,
    ProbeFailed,
    SourceOverwritten,
    StepChanged,
    StreamerError,
)
from tg_video_streamer.feed.air_time import AirTime
from tg_video_streamer.feed.attempt import FeedContext, attempt, redacted
from tg_video_streamer.feed.held_files import HeldFiles
from tg_video_streamer.feed.ladder import EncodeLadder
from tg_video_streamer.feed.overlay.branding import draw_caption
from tg_video_streamer.feed.overlay.overlay import NO_OVERLAY, ChooseOverlay, OverlayFiles
from tg_video_streamer.feed.passthrough import may_pass_through
from tg_video_streamer.feed.picture_faults import FaultWatch
from tg_video_streamer.feed.probe.probe import carried_over, probe
from tg_video_streamer.feed.progress import AttemptResult, StartPoint
from tg_video_streamer.feed.receiver import Receiver
from tg_video_streamer.feed.standing_picture import may_be_read_twice, read_twice, stands
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.feed.step_watch import StepWatch
from tg_video_streamer.feed.subtitles import Subtitles
from tg_video_streamer.feed.url_refresh import UrlRefresh
from tg_video_streamer.ffmpeg.capable import ANIMATED_WEBP, loopback_ffmpeg, piecewise_ffmpeg, webp_ffmpeg
from tg_video_streamer.ffmpeg.encode import audio_bits
from tg_video_streamer.ffmpeg.filters import holds_sound
from tg_video_streamer.ffmpeg.image import BadImage
from tg_video_streamer.ffmpeg.inputs import FIRST_BYTE_SECONDS, dropped_headers
from tg_video_streamer.ffmpeg.live_input import receiver_command, receiver_script, receiving_ffmpeg
from tg_video_streamer.ffmpeg.source import Goal, Measured, SourceFacts
from tg_video_streamer.ffmpeg.steps import EncodeStep, stepped
from tg_video_streamer.languages import NO_PREFERENCE, TrackPreference
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import Packet
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.http_stream import HTTP_COMMAND, HttpRequest
from tg_video_streamer.resolve.media import Media, MediaInput

_log = structlog.get_logger(__name__)

_STEREO = 2


class SourcePlayback:
    """The attempts at one item; what one attempt learns serves the next."""

    def __init__(
        self,
        item: Item,
        context: FeedContext,
        urls: UrlRefresh,
        *,
        overlay: ChooseOverlay,
        air_time: AirTime,
        preference: TrackPreference = NO_PREFERENCE,
        on_title: Callable[[str], None] = lambda _title: None,
        ladder: EncodeLadder | None = None,
        on_air: Callable[[], bool] = lambda: False,
    ) -> None:
        """`preference`: of the channel, where the item has none of its own. `on_title` gets each title in a radio's stream.

        `ladder`: by which encodes for the air step down on a busy host, judged while `on_air`.
        """
        self._item = item
        self._preference = item.tracks(preference)
        self._context = context
        self._urls = urls
        self._overlay = overlay
        self._air_time = air_time
        self._caption: bytes | None = None
        self._caption_drawn = False
        self._known_inputs: tuple[MediaInput, ...] | None = None
        self._passthrough_failed = False
        self._other_failed = False
        self._picture_stands = False
        self._files = HeldFiles()
        self._receiver: Receiver | None = None
        self._on_title = on_title
        self._ladder = ladder
        self._is_on_air = on_air
        self.lowest_step = EncodeStep.FULL
        """The lowest step at which a part of it was encoded."""
        self._beginning = ""
        self.endless = False
        """A later connection began with something else: its server sends what is on now, and has no end."""
        self.subtitles = Subtitles(context.ffmpeg, key=item.key, required=context.mode is FeedMode.PREPARING)
        """Of its picture."""
        self.watch = FaultWatch()
        """The known faults of its picture and sound."""
        self.source: SourceFacts | None = None
        """What the probe found."""

    async def may_pass_through(self, start: StartPoint) -> bool:
        """Whether the probed source is played from `start` without encoding."""
        context = self._context
        if self.source is None or context.headers is None or self._passthrough_failed or self._receiver is not None:
            return False
        if start.frames or start.skipped_seconds or await self._overlay() != NO_OVERLAY:
            return False
        return may_pass_through(self._item, self.source, context.house, context.headers)

    async def probe(self, media: Media) -> SourceFacts:
        """What `media` holds; probes it only if that is not known. Raises ProbeFailed."""
        before = self.source
        if media.inputs[0].received:
            self.source = await self._receive(media.inputs[0], media)
            return self.source
        if before is not None and self._known_inputs == media.inputs:
            return before
        for one in media.inputs:
            if one.whole_only and not one.is_file:
                raise ProbeFailed.of("probe.index_last")
            if not one.is_file and (dropped := dropped_headers(one.headers)):
                _log.warning("request headers cannot be sent", names=dropped, key=self._item.key)
        first = Measured.WHOLE if self._context.mode is FeedMode.PREPARING else Measured.SAMPLES
        measured = first if before is None else Measured.NOT
        goal = self._goal() if measured is Measured.WHOLE else None
        found = await probe(
            media,
            wanted_height=self._context.house.height,
            measured=measured,
            goal=goal,
            preference=self._preference,
        )
        self.source = carried_over(found, before, media)
        if before is None and found.sound is not None and found.sound.channels > _STEREO:
            _log.info(
                "surround sound becomes stereo: dialogue keeps its level, the low-frequency channel is left out",
                channels=found.sound.channels,
                key=self._item.key,
            )
        await self.subtitles.prepare(media, self.source)
        return self.source

    async def _receive(self, feed: MediaInput, media: Media) -> SourceFacts:
        """Connect to a live feed, and find what it holds. Raises FeedError or ToolMissing."""
        await self.disconnect()
        context = self._context
        receiver = self._receiver = Receiver(redact=redacted, on_title=self._on_title)
        http = feed.location.lower().startswith("http")
        if http:
            request = HttpRequest(
                url=feed.location,
                headers=feed.headers,
                proxy=media.proxy,
                public_only=feed.public_only,
                stall_seconds=context.stall_seconds,
                first_seconds=FIRST_BYTE_SECONDS,
            )
            await receiver.open(HTTP_COMMAND, stdin=request.as_json(known_beginning=self._beginning))
        else:
            await receiver.open(
                receiver_command(await receiving_ffmpeg(context.ffmpeg, feed.location), feed.location),
                stdin=receiver_script(feed.location, stall_seconds=context.stall_seconds),
            )
        found = await receiver.facts(
            media, before=self.source, wanted_height=context.house.height, preference=self._preference
        )
        if http:
            beginning = str(receiver.reported.get("beginning", ""))
            self.endless = self.endless or bool(self._beginning and beginning != self._beginning)
            self._beginning = beginning
        return found

    def close(self) -> None:
        """Let go of its files, at the end of the item."""
        self._files.close()
        self.subtitles.close()

    async def disconnect(self) -> None:
        """Leave the live feed; does nothing for any other source."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            await receiver.close()

    def _goal(self) -> Goal | None:
        """None for a muted item, which no gain brings to the house loudness."""
        house, item = self._context.house, self._item
        if item.volume <= 0:
            return None
        return Goal(
            loudness_lufs=house.loudness_lufs + 20 * math.log10(item.volume),
            audio_bits=audio_bits(house),
            begin_seconds=item.start_seconds,
            end_seconds=item.end_seconds,
        )

    async def play(
        self, media: Media, start: StartPoint, *, on_packet: Callable[[Packet], None], on_progress: Callable[[], None]
    ) -> AttemptResult:
        """One attempt from `start` on, into the buffer; `probe` comes before. Raises FeedError.

        A result with NotHouseFormat: passthrough failed, and from now on the source is encoded. With PictureStands: from
        now on its picture is read from an input of its own.
        """
        source = self.source
        assert source is not None  # noqa: S101 - the caller has probed it
        passthrough = await self.may_pass_through(start)
        context, asked = await self._asking(media)
        watch = None if passthrough else self._step_watch(media)
        if watch is not None:
            house = stepped(context.house, watch.step, presets=watch.presets)
            context = replace(context, house=house, watch=watch)
        asked, held = await self._files.held(media, asked)
        asked, source = self._apart(asked, source, passthrough=passthrough)
        files = await self._overlay_files(media, start)
        self.watch.begin(start.item_seconds)

        put_before = context.buffer.frames_put

        def progressed() -> None:
            if context.buffer.frames_put > put_before:
                self._encoded_at(watch)
            files.set_clock(self._air_time.of(start))
            on_progress()

        async with asyncio.TaskGroup() as group:
            refresh = group.create_task(self._urls.refresh(media), name="refresh urls")
            failure: StreamerError | None = None
            try:
                with files:
                    result = await attempt(
                        context,
                        asked,
                        source,
                        start,
                        item=self._item,
                        overlay=files.overlay_input,
                        subtitles=self.subtitles.input(source, start),
                        passthrough=passthrough,
                        receiver=self._receiver,
                        held=held,
                        require_source=self._files.require_unchanged,
                        on_line=self.watch.take,
                        on_packet=on_packet,
                        on_progress=progressed,
                    )
            except StreamerError as error:
                # Raised inside the task group it would come out as an exception group.
                failure = error
            finally:
                refresh.cancel()
        if failure is None:
            # Where its end was cut off no packet has shown it.
            try:
                await self._files.unchanged()
            except SourceOverwritten as error:
                failure = error
        if failure is not None:
            raise failure
        if watch is not None:
            result = self._learn_step(result, watch, media)
        if context.ffmpeg != self._context.ffmpeg and source.container != ANIMATED_WEBP:
            result = self._learn_other(result)
        return self._learn(result, media, passthrough=passthrough)

    def _step_watch(self, media: Media) -> StepWatch | None:
        """What judges the next attempt, which encodes; None where nothing may step down."""
        if self._ladder is None:
            return None
        context = self._context
        return StepWatch(self._ladder, context.buffer, context.clock, on_air=self._is_on_air, live=media.is_live)

    def _encoded_at(self, watch: StepWatch | None) -> None:
        """A part of the item is encoded at the step of `watch`, even if its attempt is ended from outside."""
        if watch is not None:
            self.lowest_step = max(self.lowest_step, watch.step, key=list(EncodeStep).index)

    def _learn_step(self, result: AttemptResult, watch: StepWatch, media: Media) -> AttemptResult:
        """Remember the step of an attempt that encoded; presets that write other headers here are not used again."""
        if result.frames:
            self._encoded_at(watch)
        if isinstance(result.error, StepChanged):
            self._urls.put_back(media)
        elif (
            isinstance(result.error, ForeignHeaders) and not result.frames and watch.forgo_presets(self._context.house)
        ):
            _log.warning("faster presets write other codec headers here", key=self._item.key, step=str(watch.step))
            return replace(result, error=StepChanged("encoded with the preset that was set"))
        return result

    def _apart(self, media: Media, source: SourceFacts, *, passthrough: bool) -> tuple[Media, SourceFacts]:
        """`media` with its picture and sound in inputs of their own, if its picture stands at times."""
        known = self._picture_stands or (stands(source) and media.is_file)
        if passthrough or not known or not may_be_read_twice(media, source):
            return media, source
        return read_twice(media, source)

    def _learn_stands(self, result: AttemptResult, media: Media) -> AttemptResult:
        """Where its picture was read from an input of its own already, or cannot be, the sound alone is an error."""
        assert self.source is not None and result.error is not None  # noqa: S101, PT018 - it was played
        first = not self._picture_stands and may_be_read_twice(media, self.source)
        if first and not (stands(self.source) and media.is_file):
            self._picture_stands = True
            _log.info("the picture stands while the sound continues", key=self._item.key)
            return result
        return replace(result, error=EncoderFailed(result.error.message, remedy=result.error.remedy))

    async def _asking(self, media: Media) -> tuple[FeedContext, Media]:
        """The ffmpeg that reads `media`, which another may not, and `media` as this ffmpeg reads it."""
        if self.source is not None and self.source.container == ANIMATED_WEBP:
            webp = await webp_ffmpeg(self._context.ffmpeg)
            if webp is None:
                raise ProbeFailed.of("probe.animated_webp")
            return replace(self._context, ffmpeg=webp), media
        if self.source is not None and self.source.live and holds_sound(self.source.sound) and not self._other_failed:
            program = await loopback_ffmpeg(self._context.ffmpeg)
            if program is not None:
                return replace(self._context, ffmpeg=program, loopback=True), media
        if not any(one.request_bytes for one in media.inputs):
            return self._context, media
        ffmpeg = None if self._other_failed else await piecewise_ffmpeg(self._context.ffmpeg)
        if ffmpeg is not None:
            return replace(self._context, ffmpeg=ffmpeg), media
        return self._context, replace(media, inputs=tuple(replace(one, request_bytes=0) for one in media.inputs))

    def _learn_other(self, result: AttemptResult) -> AttemptResult:
        """Another ffmpeg that cannot encode as the program's does is not tried again; the item is."""
        error = result.error
        if isinstance(error, ForeignHeaders) or (isinstance(error, EncoderFailed) and not result.frames):
            self._other_failed = True
            _log.info("the other ffmpeg does not encode as the program's", key=self._item.key, why=str(error))
            return replace(result, error=EncoderFailed(error.message, remedy=Message.of("feed.encoded_again")))
        return result

    def _learn(self, result: AttemptResult, media: Media, *, passthrough: bool) -> AttemptResult:
        """Remember what the attempt showed; any error of passthrough leads to an attempt with the encoder."""
        # A source that has given frames needs no second probe.
        self._known_inputs = media.inputs if (result.frames or passthrough) and not media.is_live else None
        if self._known_inputs is None:
            self._files.close()
        if isinstance(result.error, PictureStands):
            result = self._learn_stands(result, media)
        if not passthrough:
            return result
        self._passthrough_failed = True
        if result.error is None:
            _log.info("played without encoding: already in house format", key=self._item.key)
            return result
        _log.info("passthrough failed, the source is encoded", key=self._item.key, why=str(result.error))
        return replace(result, error=NotHouseFormat(result.error.message, remedy=Message.of("feed.encoded")))

    async def _overlay_files(self, media: Media, start: StartPoint) -> OverlayFiles:
        """The overlay of this attempt, with the clock set to the time of the first frame; the caller closes it."""
        overlay = await self._overlay()
        if overlay.caption and not self._caption_drawn:
            self._caption_drawn = True
            self._caption = await self._draw(DisplayText(self._item.title or media.title))
        begun = self._air_time.begin(start)
        files = OverlayFiles(overlay, self._caption, age_seconds=start.item_seconds - begun)
        files.set_clock(self._air_time.of(start))
        return files

    async def _draw(self, title: str) -> bytes | None:
        """The title as a PNG; None if it is empty or cannot be drawn."""
        if not title.strip():
            return None
        try:
            return await draw_caption(title, self._context.house)
        except BadImage as error:
            _log.warning("title not shown on the picture", key=self._item.key, title=title, why=str(error))
            return None
