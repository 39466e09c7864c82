"""Tests the operator's encoder options before the program uses them: encodes one second and checks the result."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
import time
from dataclasses import dataclass, replace
from functools import reduce
from io import BytesIO
from pathlib import Path

import structlog

from tg_video_streamer.errors import ChildFailed, ConfigError
from tg_video_streamer.ffmpeg.arguments import parse_ffmpeg_args
from tg_video_streamer.ffmpeg.binary import fingerprint
from tg_video_streamer.ffmpeg.encode import house_arguments, picture_filters
from tg_video_streamer.ffmpeg.hardware import device_arguments, upload
from tg_video_streamer.ffmpeg.house import HouseFormat
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.locales.message import Message

log = structlog.get_logger(__name__)

_LIMIT_BYTES = 64 * 1024 * 1024


async def checked_arguments(
    text: str,
    house: HouseFormat,
    ffmpeg: Path,
    *,
    cache_dir: Path | None = None,
    slow_seconds: float = 5.0,
    deadline_seconds: float = 30.0,
) -> tuple[tuple[str, ...], list[Message]]:
    """The encoder options to use, and a warning for each wrong part of `text` (FFMPEG_ARGS).

    Options that fail, or need more than `deadline_seconds` for one second of picture, give no options at all: the safe
    profile. Options that need more than `slow_seconds` are used, with a warning. Options that worked with this ffmpeg are
    recorded in `cache_dir` and not tested again. An empty `text` runs nothing.
    """
    try:
        arguments = parse_ffmpeg_args(text)
    except ConfigError as error:
        return (), [Message.of("ffmpeg_args.problem", problem=problem) for problem in error.problems]
    if not arguments:
        return (), []
    record = _record_path(arguments, house, ffmpeg, cache_dir) if cache_dir is not None else None
    if record is not None and await asyncio.to_thread(record.exists):
        return arguments, []
    began = time.monotonic()
    problem = await _try(arguments, house, ffmpeg, deadline_seconds)
    took = time.monotonic() - began
    if problem is not None:
        return (), [await _blame(arguments, house, ffmpeg, deadline_seconds, problem)]
    if took > slow_seconds:
        return arguments, [Message.of("ffmpeg_args.slow", seconds=took)]
    if record is not None:
        await asyncio.to_thread(_save_record, record)
    return arguments, []


def trial_command(arguments: tuple[str, ...], house: HouseFormat, ffmpeg: Path) -> list[str]:
    """The command line of the test: that of a feed, with one second of test picture and tone."""
    tried = replace(house, encoder_arguments=arguments)
    return [
        str(ffmpeg),
        *("-hide_banner", "-nostdin", "-loglevel", "error"),
        *device_arguments(tried),
        *("-f", "lavfi", "-i", f"testsrc2=size=640x360:rate={house.frame_rate}:duration=1"),
        *("-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=48000:duration=1"),
        *("-map", "0:v", "-map", "1:a", "-vf", f"{picture_filters(tried)}{upload(tried)}"),
        *house_arguments(tried),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedSecond:
    """What one second of a test encode is."""

    problem: Message | None
    """What is wrong with it; None if nothing is."""
    video_header: bytes = b""


async def encoded_second(house: HouseFormat, ffmpeg: Path, *, deadline_seconds: float, nice: int = 0) -> EncodedSecond:
    """Encode one second in `house` format. Raises ChildFailed where it takes longer than `deadline_seconds`."""
    with tempfile.TemporaryDirectory(prefix="ffmpeg-args-") as folder:
        done = await run(
            trial_command(house.encoder_arguments, house, ffmpeg),
            timeout_seconds=deadline_seconds,
            limit_bytes=_LIMIT_BYTES,
            folder=Path(folder),
            nice=nice,
        )
        left = await asyncio.to_thread(lambda: sorted(path.name for path in Path(folder).iterdir()))
    if done.returncode != 0:
        lines = done.stderr_tail.splitlines()
        detail = lines[0] if lines else Message.of("no_message")
        return EncodedSecond(problem=Message.of("feed.ended", code=done.returncode, detail=detail))
    if left:
        return EncodedSecond(problem=Message.of("ffmpeg_args.files", files=", ".join(left)))
    return await asyncio.to_thread(_judged, done.stdout, house)


async def _try(arguments: tuple[str, ...], house: HouseFormat, ffmpeg: Path, deadline_seconds: float) -> Message | None:
    """What is wrong with one second encoded with `arguments`; None if nothing is."""
    tried = replace(house, encoder_arguments=arguments)
    try:
        return (await encoded_second(tried, ffmpeg, deadline_seconds=deadline_seconds)).problem
    except ChildFailed as error:
        return error.message


async def _blame(
    arguments: tuple[str, ...], house: HouseFormat, ffmpeg: Path, deadline_seconds: float, problem: Message
) -> Message:
    """The warning: names the first option that fails alone, or all if only their combination fails."""
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    for pair in pairs if len(pairs) > 1 else ():
        alone = await _try(pair, house, ffmpeg, deadline_seconds)
        if alone:
            return Message.of("ffmpeg_args.fail", arguments=" ".join(pair), problem=alone)
    return Message.of("ffmpeg_args.fail", arguments=" ".join(arguments), problem=problem)


def _judged(matroska: bytes, house: HouseFormat) -> EncodedSecond:
    """How the output differs from the house format, and its codec header."""
    import av  # noqa: PLC0415 - takes 90 ms to import, so only in this thread and only when needed

    try:
        with av.open(BytesIO(matroska), mode="r", format="matroska") as container:
            kinds = sorted(stream.type for stream in container.streams)
            if kinds != ["audio", "video"]:
                return EncodedSecond(problem=Message.of("ffmpeg_args.streams", kinds=", ".join(kinds)))
            video, audio = container.streams.video[0], container.streams.audio[0]
            header = bytes(video.codec_context.extradata or b"")
            packets = [packet for packet in container.demux(video) if packet.size]
            shown = sum(len(packet.decode()) for packet in packets) + len(video.codec_context.decode(None))
            facts = (
                ("codec", video.codec_context.name, "h264"),
                ("picture_size", f"{video.width}x{video.height}", f"{house.width}x{house.height}"),
                ("pixel_format", video.codec_context.pix_fmt, "yuv420p"),
                ("pictures", shown, house.frame_rate),
                ("packets", len(packets), house.frame_rate),
                ("reordering", sum(packet.pts != packet.dts for packet in packets), 0),
                ("keyframes", [n for n, packet in enumerate(packets) if packet.is_keyframe], [0]),
                ("audio_codec", audio.codec_context.name, "aac"),
                ("audio_channels", audio.codec_context.channels, 2),
                ("audio_rate", audio.codec_context.sample_rate, 48000),
            )
    except av.FFmpegError as error:
        detail = error.strerror or type(error).__name__
        return EncodedSecond(problem=Message.of("ffmpeg_args.unreadable", detail=detail))
    wrong = [
        Message.of(f"ffmpeg_args.fact.{name}", found=str(found), wanted=str(wanted))
        for name, found, wanted in facts
        if found != wanted
    ]
    if not wrong:
        return EncodedSecond(problem=None, video_header=header)
    listed = reduce(lambda first, rest: Message.of("ffmpeg_args.and", first=first, rest=rest), wrong)
    return EncodedSecond(problem=Message.of("ffmpeg_args.differs", facts=listed))


def _record_path(arguments: tuple[str, ...], house: HouseFormat, ffmpeg: Path, cache_dir: Path) -> Path:
    facts = [trial_command(arguments, house, ffmpeg), fingerprint(ffmpeg)]
    return cache_dir / f"ffmpeg-args-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}.works"


def _save_record(record: Path) -> None:
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        for old in record.parent.glob("ffmpeg-args-*.works"):
            old.unlink(missing_ok=True)
        record.touch()
    except OSError as error:
        log.warning("result of the encoder test cannot be recorded", path=str(record), error=error.strerror)
