"""One try at an item: one ffmpeg child from one place in the source, read into the buffer until either ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from tg_video_streamer.clock import Clock
from tg_video_streamer.errors import EncoderFailed, FeedError, InputStalled
from tg_video_streamer.feed.attempt_bounds import AttemptResult, StartPoint
from tg_video_streamer.feed.buffer import Buffer
from tg_video_streamer.feed.child_inputs import child_inputs, trims_lead
from tg_video_streamer.feed.child_stderr import ChildStderr
from tg_video_streamer.feed.passthrough import HouseRules
from tg_video_streamer.feed.pipes import Pipes
from tg_video_streamer.feed.reader import Reader
from tg_video_streamer.feed.state import FeedMode
from tg_video_streamer.ffmpeg.command import copy_command, feed_command
from tg_video_streamer.ffmpeg.filters import STILL_SECONDS, ItemRange
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.inputs import (
    proxy_environment,
)
from tg_video_streamer.ffmpeg.overlay import OverlayInput
from tg_video_streamer.ffmpeg.runner import DEVNULL, Child
from tg_video_streamer.ffmpeg.source import SourceFacts
from tg_video_streamer.media import FRAME_TICKS, CodecHeaders, Packet
from tg_video_streamer.resolve.media import Media

_log = structlog.get_logger(__name__)

STALL_SECONDS = 10.0
"""A child that says nothing for so long, with room in the buffer, is killed."""
PREPARING_NICE = 19
"""The lowest priority that Linux has."""
_EXIT_SECONDS = 5.0
"""How long a child may live after it has closed its output."""
_CHECK_SECONDS = 0.25
_AIM_EARLY_SECONDS = 12.0
"""Where seeking is inexact: longer than the GOP of any broadcast."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedContext:
    """What all tries of a feed have in common."""

    house: HouseFormat
    headers: CodecHeaders | None
    ffmpeg: Path
    clock: Clock
    buffer: Buffer
    stall_seconds: float = STALL_SECONDS
    mode: FeedMode = FeedMode.ON_AIR


async def attempt(
    setting: FeedContext,
    media: Media,
    source: SourceFacts,
    place: StartPoint,
    *,
    end_seconds: float | None,
    volume: float,
    on_top: OverlayInput | None = None,
    taken_over: bool = False,
    on_line: Callable[[str], bool],
    keep: Callable[[Packet], None],
    progressed: Callable[[], None],
) -> AttemptResult:
    """Play one stretch into the buffer; `taken_over`: as it is, without encoding it. `on_line` gets each line of stderr and says whether it is dealt with.

    `keep` gets each packet that was put, in the reader's thread. `progressed` is called a few times a second while the child runs. Cancelling kills the child; the caller closes the
    buffer then, since the reader may be waiting for room in it.
    """
    pipes = Pipes(media.inputs)
    try:
        stretch = stretch_of(source, place, end_seconds, volume)
        words = child_inputs(
            media.inputs, source, stretch, pipes.scripts, stall_seconds=setting.stall_seconds, as_is=taken_over
        )
        return await read_child(
            setting,
            _command(setting, words, source, stretch, on_top, taken_over=taken_over),
            source,
            place,
            pipes,
            on_top=on_top,
            rules=HouseRules(setting.house) if taken_over else None,
            environment=proxy_environment(media.proxy),
            on_line=on_line,
            keep=keep,
            progressed=progressed,
        )
    finally:
        pipes.close()


async def read_child(
    setting: FeedContext,
    command: Sequence[str | Path],
    source: SourceFacts,
    place: StartPoint,
    pipes: Pipes,
    *,
    on_top: OverlayInput | None = None,
    rules: HouseRules | None = None,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], bool],
    keep: Callable[[Packet], None],
    progressed: Callable[[], None],
) -> AttemptResult:
    """Run `command` with `pipes` and read what it writes, which `rules` judge, into the buffer; the rest as in `attempt`."""
    finished = asyncio.Event()
    reader = _reader(setting, source, place, pipes.output, keep, finished, rules)
    complaints = ChildStderr(on_line)
    try:
        start = Child.start(
            command,
            stdin=DEVNULL if pipes.child_input is None else pipes.child_input,
            stdout=pipes.child_output,
            pass_fds=[*pipes.inherited, *(on_top.descriptors if on_top is not None else ())],
            nice=PREPARING_NICE if setting.mode is FeedMode.PREPARING else 0,
            environment=environment,
            on_line=complaints.take,
        )
        async with start as child:
            pipes.close_childs()
            pipes.hand_over_output()
            reader.start()
            stalled = await _watch(reader, finished, setting.stall_seconds, progressed)
            code = await _exit_code(child) if reader.reached_end else None
    finally:
        if reader.started:
            # Cancelled with a full buffer: closing it is what releases the reader, and nobody takes from it any more.
            await _joined(reader, finished, setting.buffer)
    lines = complaints.lines
    error = _error(reader, stalled=stalled, code=code, complaints=lines, limit=setting.stall_seconds)
    if lines:
        _log.debug("ffmpeg said", lines=lines[-5:], code=code)
    lost = complaints.speak_of_loss
    return AttemptResult(frames=reader.frames, sound_end_ticks=reader.sound_end_ticks, error=error, lost=lost)


def _reader(
    setting: FeedContext,
    source: SourceFacts,
    place: StartPoint,
    descriptor: int,
    keep: Callable[[Packet], None],
    finished: asyncio.Event,
    rules: HouseRules | None,
) -> Reader:
    loop = asyncio.get_running_loop()
    return Reader(
        descriptor,
        setting.buffer,
        headers=setting.headers,
        start_ticks=place.frames * FRAME_TICKS,
        sound_from_ticks=place.sound_from_ticks,
        ends_with_sound=source.endless_picture and source.sound is not None,
        monotonic=setting.clock.monotonic,
        keep=keep,
        finished=lambda: _tell(loop, finished),
        rules=rules,
    )


def stretch_of(source: SourceFacts, place: StartPoint, end_seconds: float | None, volume: float) -> ItemRange:
    """The part of the source from `place` on, as the filters need to know it."""
    begin = place.source_seconds
    aim_early = min(_AIM_EARLY_SECONDS, begin) if source.inexact_seek else 0.0
    leader = source.picture or source.sound
    # Even the shortest seek would cost a whole GOP there.
    lead = source.lead_seconds(leader.input_index) if leader is not None and trims_lead(source) else 0.0
    whole = source.duration_seconds
    if source.endless_picture and end_seconds is None:
        end_seconds = place.item_start_seconds + STILL_SECONDS if source.sound is None else whole
    moving = None if source.endless_picture else source.picture
    picture_whole = moving.duration_seconds or (whole if source.sound is None else None) if moving else None
    sound_whole = source.sound.duration_seconds if source.sound is not None else None
    return ItemRange(
        seek_seconds=begin - aim_early,
        trim_seconds=aim_early + lead,
        length_seconds=None if end_seconds is None else max(0.04, end_seconds - begin),
        volume=volume,
        picture_left_seconds=None if picture_whole is None else max(0.0, picture_whole - begin),
        sound_left_seconds=None if sound_whole is None else max(0.0, sound_whole - begin),
    )


def _command(
    setting: FeedContext,
    inputs: Sequence[Sequence[str]],
    source: SourceFacts,
    stretch: ItemRange,
    on_top: OverlayInput | None,
    *,
    taken_over: bool,
) -> list[str]:
    if taken_over:
        return copy_command(setting.ffmpeg, inputs, source=source)
    return feed_command(setting.ffmpeg, inputs, source=source, house=setting.house, stretch=stretch, on_top=on_top)


async def _watch(reader: Reader, finished: asyncio.Event, stall_seconds: float, progressed: Callable[[], None]) -> bool:
    """Wait for the end of the child's output; True where it went silent first."""
    while not finished.is_set():
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await finished.wait()
        except TimeoutError:
            progressed()
            if reader.silent_seconds > stall_seconds:
                return True
    return False


async def _exit_code(child: Child) -> int | None:
    try:
        async with asyncio.timeout(_EXIT_SECONDS):
            return await child.wait()
    except TimeoutError:
        return None


async def _joined(reader: Reader, finished: asyncio.Event, buffer: Buffer) -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        buffer.close()
    await asyncio.shield(asyncio.ensure_future(finished.wait()))
    reader.join()


def _tell(loop: asyncio.AbstractEventLoop, finished: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(finished.set)


def _error(reader: Reader, *, stalled: bool, code: int | None, complaints: list[str], limit: float) -> FeedError | None:
    if reader.error is not None:
        return reader.error
    last = " | ".join(complaints[-3:]) or "it said nothing"
    if reader.ended_by_sound:
        return None
    if stalled:
        return InputStalled(f"no picture came for {limit:g} s ({last})", remedy="it is tried again")
    if code is None:
        return EncoderFailed(f"ffmpeg did not end after its output had ended ({last})", remedy="it is tried again")
    if code != 0:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return EncoderFailed(f"ffmpeg {how}: {last}", remedy="it is tried again")
    return None
