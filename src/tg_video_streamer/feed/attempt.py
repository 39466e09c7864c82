"""One attempt at an item: one ffmpeg child from one point of the source, read into the buffer until either ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from pathlib import Path

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import EncoderFailed, FeedError, InputStalled, StepChanged
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.feed.fades import fades_of
from tg_video_streamer.feed.growing_copy import GrowingCopies
from tg_video_streamer.feed.passthrough import HouseRules
from tg_video_streamer.feed.pipes import Pipes, child_inputs, reads_from_start, trims_lead
from tg_video_streamer.feed.progress import AttemptResult, StartPoint
from tg_video_streamer.feed.reader import Reader
from tg_video_streamer.feed.receiver import Receiver
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.feed.step_watch import StepWatch
from tg_video_streamer.ffmpeg.command import copy_command, feed_command
from tg_video_streamer.ffmpeg.filters import STILL_SECONDS, ItemRange
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.inputs import FIRST_BYTE_SECONDS, proxy_environment
from tg_video_streamer.ffmpeg.live_input import received_input
from tg_video_streamer.ffmpeg.overlay import OverlayInput
from tg_video_streamer.ffmpeg.runner import DEVNULL, Child
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.ffmpeg.subtitles import SubtitlesInput
from tg_video_streamer.locales.message import Message
from tg_video_streamer.media import CodecHeaders, Packet
from tg_video_streamer.playlist.item import Item
from tg_video_streamer.resolve.media import Media

_log = structlog.get_logger(__name__)

STALL_SECONDS = 10.0
"""A child that gives nothing for so long, although the buffer has space, is killed."""
_FIRST_TIMES = FIRST_BYTE_SECONDS / STALL_SECONDS
PREPARING_NICE = 19
"""The lowest priority that Linux has."""
_EXIT_SECONDS = 5.0
"""How long a child may run after it has closed its output."""
_CHECK_SECONDS = 0.25
_AIM_EARLY_SECONDS = 12.0
"""For inexact seeking: longer than the GOP of any broadcast."""
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+|pipe:\d+|file:[^:']*", re.IGNORECASE)
_SIGNS_OF_LOSS = re.compile(
    r"HTTP error|Server returned|Connection (reset|refused|timed out)|Input/output error|timed out|"
    r"Stream ends prematurely|End of file|Failed to (open segment|reload playlist)|Network is unreachable|Error in the pull",
    re.IGNORECASE,
)
_STDERR_LINES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedContext:
    """What all attempts of a feed share."""

    house: HouseFormat
    headers: CodecHeaders | None
    ffmpeg: Path
    clock: Clock
    buffer: Buffer
    stall_seconds: float = STALL_SECONDS
    mode: FeedMode = FeedMode.ON_AIR
    loopback: bool = False
    """See `feed_command`; its ffmpeg can."""
    watch: StepWatch | None = None
    """Of an attempt that encodes for the air."""

    def first_seconds(self, media: Media) -> float:
        """How long a child may give nothing before its first packet: a server may begin slowly."""
        return self.stall_seconds * (1.0 if media.is_file or media.is_live else _FIRST_TIMES)


class ChildStderr:
    """The last stderr lines that no other handler took, without anything that could be secret."""

    def __init__(self, on_line: Callable[[str], bool]) -> None:
        """`on_line` gets each line first and returns whether it was handled."""
        self._on_line = on_line
        self.lines: list[str] = []

    def take(self, line: str) -> None:
        """Handle one line of the child's stderr."""
        if not self._on_line(line):
            self.lines.append(redacted(line))
            del self.lines[:-_STDERR_LINES]

    @property
    def means_loss(self) -> bool:
        """Whether they mean a lost source, whatever the exit code."""
        return any(_SIGNS_OF_LOSS.search(line) for line in self.lines)


def redacted(line: str) -> str:
    """A line of ffmpeg's without anything that could be a URL or path."""
    return _URL.sub("(location)", line)


async def attempt(
    context: FeedContext,
    media: Media,
    source: SourceFacts,
    start: StartPoint,
    *,
    item: Item,
    overlay: OverlayInput | None = None,
    subtitles: SubtitlesInput | None = None,
    passthrough: bool = False,
    receiver: Receiver | None = None,
    held: Sequence[int] = (),
    require_source: Callable[[], None] = lambda: None,
    on_line: Callable[[str], bool],
    on_packet: Callable[[Packet], None],
    on_progress: Callable[[], None],
) -> AttemptResult:
    """Play from `start` into the buffer; `passthrough`: without encoding. Cancelling kills the child and closes the buffer.

    `receiver`: the connection of a live feed, in place of the inputs. `held`: descriptors that the inputs name.
    `require_source`: of the reader. `on_line`
    gets each line of stderr and returns whether it was handled. `on_packet` gets each packet, in the reader's thread. `on_progress` is called a few times a second.
    """
    if not start.frames and any(one.growing is not None and one.growing.dropped_to for one in media.inputs):
        raise InputStalled.of("feed.download_passed")
    pipes = Pipes(() if receiver is not None else media.inputs, fed=receiver is not None, held=held)
    try:
        from_start = reads_from_start(media.inputs, source, start.source_seconds)
        item_range = _range_of(source, start, item, from_start=from_start)
        if not item.gapless:
            item_range = replace(item_range, fades=fades_of(source, start, item_range, context.house))
        if receiver is not None:
            skipped = 0.0 if start.joins_now else start.source_seconds
            item_range = replace(item_range, seek_seconds=0.0, trim_seconds=_late_seconds(source) + skipped)
            arguments = [received_input(source.container)]
            receiver.connect(pipes.hand_over_input())
        else:
            arguments = child_inputs(
                media.inputs,
                source,
                item_range,
                pipes.scripts,
                silent_seconds=context.first_seconds(media),
                passthrough=passthrough,
                from_start=from_start,
            )
        with _growing_copies(media, pipes, start.source_seconds if from_start else 0.0) as copies:
            try:
                result = await read_child(
                    context,
                    _command(context, arguments, source, item_range, overlay, subtitles, passthrough=passthrough),
                    source,
                    start,
                    pipes,
                    descriptors=_descriptors(overlay, subtitles),
                    first_seconds=context.first_seconds(media),
                    require_source=require_source,
                    rules=HouseRules(context.house) if passthrough else None,
                    environment=proxy_environment(media.proxy),
                    on_line=on_line,
                    on_packet=on_packet,
                    on_progress=on_progress,
                )
            finally:
                pipes.close()
        if copies.broken and result.error is None:
            result = replace(result, error=InputStalled.of("feed.download_ended"))
    finally:
        pipes.close()
    if receiver is None:
        return result
    # Only its time ends a live feed: whatever else ends it is a loss.
    return replace(result, error=result.error or receiver.lost, lost=True)


def _growing_copies(media: Media, pipes: Pipes, from_seconds: float) -> GrowingCopies:
    """What brings the bytes of growing files into the child's pipes."""
    growing = [(index, one.growing) for index, one in enumerate(media.inputs) if one.growing is not None]
    return GrowingCopies([(file, pipes.hand_over_script(index)) for index, file in growing], from_seconds=from_seconds)


async def read_child(
    context: FeedContext,
    command: Sequence[str | Path],
    source: SourceFacts,
    start: StartPoint,
    pipes: Pipes,
    *,
    descriptors: Sequence[int] = (),
    first_seconds: float | None = None,
    require_source: Callable[[], None] = lambda: None,
    rules: HouseRules | None = None,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], bool],
    on_packet: Callable[[Packet], None],
    on_progress: Callable[[], None],
) -> AttemptResult:
    """Run `command` with `pipes` and read its output, checked by `rules`, into the buffer; the rest as in `attempt`.

    `first_seconds`: how long it may give nothing before its first packet, if not as long as later.
    """
    reader = Reader(
        pipes.output,
        context.buffer,
        headers=context.headers,
        rate=context.house.frame_rate,
        start_ticks=start.frames * context.house.frame_rate.frame_ticks,
        sound_from_ticks=start.sound_from_ticks,
        ends_with_sound=source.endless_picture and source.sound is not None,
        monotonic=context.clock.monotonic,
        on_packet=on_packet,
        rules=rules,
        picture_apart=source.picture is not None and source.picture.stands,
        require_source=require_source,
    )
    stderr = ChildStderr(on_line)
    try:
        running = Child.start(
            command,
            stdin=DEVNULL if pipes.child_input is None else pipes.child_input,
            stdout=pipes.child_output,
            pass_fds=[*pipes.inherited, *descriptors],
            nice=PREPARING_NICE if context.mode is FeedMode.PREPARING else 0,
            environment=environment,
            on_line=stderr.take,
        )
        async with running as child:
            pipes.close_childs()
            pipes.hand_over_output()
            reader.start()
            limits = (first_seconds or context.stall_seconds, context.stall_seconds)
            due = partial(context.watch.due, child.pid) if context.watch is not None else _never
            stopped = await _watch(reader, limits, due, on_progress)
            code = await _exit_code(child) if reader.reached_end else None
    finally:
        if reader.started:
            await reader.join()
    error = _error(reader, stopped=stopped, code=code, lines=stderr.lines, limit=limits[reader.began])
    if stderr.lines:
        _log.debug("ffmpeg stderr", lines=stderr.lines[-5:], code=code)
    return AttemptResult(
        frames=reader.frames,
        sound_end_ticks=reader.sound_end_ticks,
        error=error,
        lost=stderr.means_loss,
        quiet=not stderr.lines,
    )


def _range_of(source: SourceFacts, start: StartPoint, item: Item, *, from_start: bool) -> ItemRange:
    """The range of the source from `start` on, for the filters. `from_start`: see `reads_from_start`."""
    begin, end_seconds = start.source_seconds, item.end_seconds
    early = begin if from_start else _AIM_EARLY_SECONDS if source.inexact_seek else 0.0
    aim_early = min(early, begin)
    leader = source.picture or source.sound
    # Even the shortest seek would cost a whole GOP.
    lead = source.lead_seconds(leader.input_index) if leader is not None and (from_start or trims_lead(source)) else 0.0
    whole = source.duration_seconds
    if source.endless_picture and source.sound is None and end_seconds is None:
        end_seconds = start.item_start_seconds + STILL_SECONDS
    moving = source.moving_picture
    picture_whole = moving.duration_seconds or (whole if source.sound is None else None) if moving else None
    sound_whole = source.sound.duration_seconds if source.sound is not None else None
    return ItemRange(
        seek_seconds=begin - aim_early,
        trim_seconds=aim_early + lead,
        length_seconds=None if end_seconds is None else max(0.04, end_seconds - begin),
        volume=item.volume,
        picture_left_seconds=None if picture_whole is None else max(0.0, picture_whole - begin),
        sound_left_seconds=None if sound_whole is None else max(0.0, sound_whole - begin),
    )


def _late_seconds(source: SourceFacts) -> float:
    """How much sound a live feed has before its first picture: it begins with its first picture."""
    picture = source.picture
    return picture.late_seconds if picture is not None and not picture.still else 0.0


def _command(
    context: FeedContext,
    inputs: Sequence[Sequence[str]],
    source: SourceFacts,
    item_range: ItemRange,
    overlay: OverlayInput | None,
    subtitles: SubtitlesInput | None,
    *,
    passthrough: bool,
) -> list[str]:
    if passthrough:
        return copy_command(context.ffmpeg, inputs, source=source)
    return feed_command(
        context.ffmpeg,
        inputs,
        source=source,
        house=context.house,
        item_range=item_range,
        overlay=overlay,
        subtitles=subtitles,
        loopback=context.loopback,
    )


def _descriptors(overlay: OverlayInput | None, subtitles: SubtitlesInput | None) -> list[int]:
    """What the child must inherit for its picture."""
    file = subtitles.file if subtitles is not None else None
    return [*(overlay.descriptors if overlay is not None else ()), *([file] if file is not None else [])]


class _Stop(Enum):
    """Why a child's output is read no further."""

    ENDED = auto()
    STALLED = auto()
    STEP_DUE = auto()


def _never() -> bool:
    return False


async def _watch(
    reader: Reader, limits: tuple[float, float], due: Callable[[], bool], on_progress: Callable[[], None]
) -> _Stop:
    """Wait for the end of the child's output, a stall or another step. `limits`: before its first packet, and after."""
    while not reader.finished.is_set():
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await reader.finished.wait()
        except TimeoutError:
            on_progress()
            if reader.silent_seconds > limits[reader.began]:
                return _Stop.STALLED
            if reader.began and due():
                return _Stop.STEP_DUE
    return _Stop.ENDED


async def _exit_code(child: Child) -> int | None:
    try:
        async with asyncio.timeout(_EXIT_SECONDS):
            return await child.wait()
    except TimeoutError:
        return None


def _error(reader: Reader, *, stopped: _Stop, code: int | None, lines: list[str], limit: float) -> FeedError | None:
    if reader.error is not None or reader.ended_by_sound:
        return reader.error
    detail = " | ".join(lines[-3:]) or Message.of("no_message")
    if stopped is _Stop.STEP_DUE:
        return StepChanged("encoded at another step from here on")
    if stopped is _Stop.STALLED:
        return InputStalled.of("feed.stalled", seconds=limit, detail=detail)
    if code is None:
        return EncoderFailed.of("feed.no_exit", detail=detail)
    if code != 0:
        return EncoderFailed.of("feed.killed" if code < 0 else "feed.ended", code=abs(code), detail=detail)
    return None
