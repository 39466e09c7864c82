"""Tests the operator's encoder options before the program uses them: encodes one second and checks the result."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
import time
from io import BytesIO
from pathlib import Path

import structlog

from tg_video_streamer.errors import ChildFailed, ConfigError
from tg_video_streamer.ffmpeg.arguments import SETTING, parse_ffmpeg_args
from tg_video_streamer.ffmpeg.binary import fingerprint
from tg_video_streamer.ffmpeg.encode import house_arguments, picture_filters
from tg_video_streamer.ffmpeg.house import HouseFormat, house_format
from tg_video_streamer.ffmpeg.runner import run
from tg_video_streamer.media import FRAMES_PER_SECOND

log = structlog.get_logger(__name__)

_LIMIT_BYTES = 64 * 1024 * 1024
_REMEDY = "the safe profile is used"


async def checked_arguments(
    text: str,
    house: HouseFormat,
    ffmpeg: Path,
    *,
    cache_dir: Path | None = None,
    slow_seconds: float = 5.0,
    deadline_seconds: float = 30.0,
) -> tuple[tuple[str, ...], list[str]]:
    """The encoder options to use, and a warning for each wrong part of `text` (FFMPEG_ARGS).

    Options that fail, or need more than `deadline_seconds` for one second of picture, give no options at all: the safe
    profile. Options that need more than `slow_seconds` are used, with a warning. Options that worked with this ffmpeg are
    recorded in `cache_dir` and not tested again. An empty `text` runs nothing.
    """
    try:
        arguments = parse_ffmpeg_args(text)
    except ConfigError as error:
        return (), [f"{problem}; {_REMEDY}" for problem in error.problems]
    if not arguments:
        return (), []
    record = _record_path(arguments, house, ffmpeg, cache_dir) if cache_dir is not None else None
    if record is not None and await asyncio.to_thread(record.exists):
        return arguments, []
    began = time.monotonic()
    problem = await _try(arguments, house, ffmpeg, deadline_seconds)
    took = time.monotonic() - began
    if problem:
        return (), [await _blame(arguments, house, ffmpeg, deadline_seconds, problem)]
    if took > slow_seconds:
        what = f"{SETTING}: one second of picture took {took:.1f} s to encode, which is too slow for a live program"
        return arguments, [f"{what}; choose a faster -preset"]
    if record is not None:
        await asyncio.to_thread(_save_record, record)
    return arguments, []


def trial_command(arguments: tuple[str, ...], house: HouseFormat, ffmpeg: Path) -> list[str]:
    """The command line of the test: that of a feed, with one second of test picture and tone."""
    tried = house_format(house.quality, loudness_lufs=house.loudness_lufs, encoder_arguments=arguments)
    return [
        str(ffmpeg),
        *("-hide_banner", "-nostdin", "-loglevel", "error"),
        *("-f", "lavfi", "-i", f"testsrc2=size=640x360:rate={FRAMES_PER_SECOND}:duration=1"),
        *("-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=48000:duration=1"),
        *("-map", "0:v", "-map", "1:a", "-vf", picture_filters(tried)),
        *house_arguments(tried),
    ]


async def _try(arguments: tuple[str, ...], house: HouseFormat, ffmpeg: Path, deadline_seconds: float) -> str:
    """What is wrong with one second encoded with `arguments`; empty if nothing is."""
    with tempfile.TemporaryDirectory(prefix="ffmpeg-args-") as folder:
        try:
            done = await run(
                trial_command(arguments, house, ffmpeg),
                timeout_seconds=deadline_seconds,
                limit_bytes=_LIMIT_BYTES,
                folder=Path(folder),
            )
        except ChildFailed as error:
            return str(error)
        left = await asyncio.to_thread(lambda: sorted(path.name for path in Path(folder).iterdir()))
    if done.returncode != 0:
        lines = done.stderr_tail.splitlines()
        return f"ffmpeg ended with exit code {done.returncode}: {lines[0] if lines else 'no message'}"
    if left:
        return f"it writes files: {', '.join(left)}"
    return await asyncio.to_thread(_differences, done.stdout, house)


async def _blame(
    arguments: tuple[str, ...], house: HouseFormat, ffmpeg: Path, deadline_seconds: float, problem: str
) -> str:
    """The warning: names the first option that fails alone, or all if only their combination fails."""
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    for pair in pairs if len(pairs) > 1 else ():
        alone = await _try(pair, house, ffmpeg, deadline_seconds)
        if alone:
            return f"{SETTING}: {' '.join(pair)} does not work here: {alone}; {_REMEDY}"
    return f"{SETTING}: {' '.join(arguments)} does not work here: {problem}; {_REMEDY}"


def _differences(matroska: bytes, house: HouseFormat) -> str:
    """How the output differs from the house format; empty if it does not."""
    import av  # noqa: PLC0415 - takes 90 ms to import, so only in this thread and only when needed

    try:
        with av.open(BytesIO(matroska), mode="r", format="matroska") as container:
            kinds = sorted(stream.type for stream in container.streams)
            if kinds != ["audio", "video"]:
                return f"the output has the streams {', '.join(kinds)} instead of one of each kind"
            video, audio = container.streams.video[0], container.streams.audio[0]
            packets = [packet for packet in container.demux(video) if packet.size]
            shown = sum(len(packet.decode()) for packet in packets) + len(video.codec_context.decode(None))
            facts = (
                ("codec", video.codec_context.name, "h264"),
                ("picture size", f"{video.width}x{video.height}", f"{house.width}x{house.height}"),
                ("pixel format", video.codec_context.pix_fmt, "yuv420p"),
                ("number of pictures", shown, FRAMES_PER_SECOND),
                ("number of video packets", len(packets), FRAMES_PER_SECOND),
                ("reordering of pictures", sum(packet.pts != packet.dts for packet in packets), 0),
                ("keyframes", [n for n, packet in enumerate(packets) if packet.is_keyframe], [0]),
                ("audio codec", audio.codec_context.name, "aac"),
                ("audio channels", audio.codec_context.channels, 2),
                ("audio rate", audio.codec_context.sample_rate, 48000),
            )
    except av.FFmpegError as error:
        return f"the output cannot be read: {error.strerror}"
    wrong = [f"{name} is {found} instead of {wanted}" for name, found, wanted in facts if found != wanted]
    return ", ".join(wrong)


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
