"""Reads FFMPEG_ARGS: encoder options of an allow list, with checked values.

A deny list cannot work: a word that ffmpeg takes for a file name (`out.mkv`), `-report`, or
`-x264-params dump-yuv=FILE` all write files and end with exit code 0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import structlog

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.ffmpeg.encode import audio_arguments, video_arguments
from tg_video_streamer.ffmpeg.house import PRESETS, VideoSize, house_format

log = structlog.get_logger(__name__)

SETTING = "FFMPEG_ARGS"

_Check = Callable[[str], str]
"""Returns what is wrong with a value, as the end of a sentence; empty if it is valid."""

_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
_RATE = re.compile(r"([0-9]{1,9})(\.[0-9]{1,3})?([kKmM]?)", re.ASCII)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


def _one_of(*words: str) -> _Check:
    allowed = frozenset(words)
    return lambda value: "" if value in allowed else f"must be one of {', '.join(words)}"


def _number(low: float, high: float, *, whole: bool = True) -> _Check:
    def check(value: str) -> str:
        right = _NUMBER.fullmatch(value) and low <= float(value) <= high and not (whole and "." in value)
        kind = "whole number" if whole else "number"
        return "" if right else f"must be a {kind} from {low:g} to {high:g}"

    return check


def _two_numbers(low: float, high: float, *, whole: bool) -> _Check:
    single = _number(low, high, whole=whole)

    def check(value: str) -> str:
        parts = value.split(",")
        return next((problem for problem in map(single, parts) if problem), "") if len(parts) <= 2 else single("")

    return check


def _rate(low: int, high: int, *, example: str) -> _Check:
    def check(value: str) -> str:
        match = _RATE.fullmatch(value)
        bits = float(match[1] + (match[2] or "")) * _FACTORS[match[3].lower()] if match else -1
        return (
            "" if low <= bits <= high else f"must be a bit rate like {example}, from {low // 1000}k to {high // 1000}k"
        )

    return check


_SWITCH = _one_of("0", "1")

X264_PARAMETERS: Mapping[str, _Check] = MappingProxyType(
    {
        "8x8dct": _SWITCH,
        "aq-mode": _number(0, 3),
        "aq-strength": _number(0, 3, whole=False),
        "cabac": _SWITCH,
        "chroma-qp-offset": _number(-12, 12),
        "deblock": _two_numbers(-6, 6, whole=True),
        "fast-pskip": _SWITCH,
        "ipratio": _number(1, 3, whole=False),
        "lookahead-threads": _number(0, 16),
        "mbtree": _SWITCH,
        "me": _one_of("dia", "hex", "umh"),
        "merange": _number(4, 64),
        "mixed-refs": _SWITCH,
        "nal-hrd": _one_of("none", "vbr", "cbr"),
        "psy-rd": _two_numbers(0, 3, whole=False),
        "qcomp": _number(0, 1, whole=False),
        "qpmax": _number(0, 69),
        "qpmin": _number(0, 51),
        "qpstep": _number(1, 16),
        "rc-lookahead": _number(0, 250),
        "ref": _number(1, 16),
        "sliced-threads": _SWITCH,
        "subme": _number(0, 11),
        "threads": _number(0, 64),
        "trellis": _number(0, 2),
        "vbv-bufsize": _number(50, 200_000),
        "vbv-maxrate": _number(50, 100_000),
        "weightp": _number(0, 2),
    }
)
"""Settings of x264 that change neither the house format nor a file. They override ffmpeg's options, so `bframes`,
`keyint`, `scenecut`, `open-gop` and the color settings must not be among them."""


def _x264_parameters(value: str) -> str:
    seen: set[str] = set()
    for part in value.split(":"):
        key, equals, setting = part.partition("=")
        check = X264_PARAMETERS.get(key)
        if check is None:
            return f"has {key or 'an empty part'}, which is not allowed; allowed are {', '.join(X264_PARAMETERS)}"
        if not equals or key in seen:
            return f"has {key} {'twice' if key in seen else 'without a value'}"
        seen.add(key)
        problem = check(setting)
        if problem:
            return f"has {part}, but {key} {problem}"
    return ""


_X264_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
_X264_TUNES = ("film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode", "zerolatency")
_HARDWARE = ("h264_nvenc", "h264_vaapi", "h264_qsv", "h264_v4l2m2m", "h264_videotoolbox", "h264_amf")

ALLOWED: Mapping[str, _Check] = MappingProxyType(
    {
        "-c:v": _one_of("h264", "libx264", *_HARDWARE),
        "-preset": _one_of(*_X264_PRESETS, "p1", "p2", "p3", "p4", "p5", "p6", "p7"),
        "-tune": _one_of(*_X264_TUNES, "hq", "ll", "ull"),
        # Below 1 x264 is lossless, in a profile that live players cannot decode.
        "-crf": _number(1, 51, whole=False),
        "-b:v": _rate(50_000, 100_000_000, example="1000k"),
        "-maxrate": _rate(50_000, 100_000_000, example="1000k"),
        "-bufsize": _rate(50_000, 200_000_000, example="2M"),
        "-b:a": _rate(16_000, 512_000, example="128k"),
        "-profile:v": _one_of("baseline", "constrained_baseline", "main", "high"),
        "-level": _one_of("3", "3.0", "3.1", "3.2", "4", "4.0", "4.1", "4.2", "5", "5.0", "5.1", "5.2"),
        "-threads": _number(0, 64),
        "-x264-params": _x264_parameters,
    }
)
"""Every option that the operator can set, with the check of its value."""


def parse_ffmpeg_args(text: str) -> tuple[str, ...]:
    """The `-name value` pairs in `text`, flat and in order; `-c:v h264` becomes `-c:v libx264`.

    White space separates words, double quotes group. Raises ConfigError with a line for each wrong part.
    """
    words = _words(text)
    arguments: list[str] = []
    problems: list[str] = []
    while words:
        name = words.pop(0)
        value = words.pop(0) if words and not words[0].startswith("-") else None
        problem = _problem(name, value, given=arguments[::2])
        if problem or value is None:
            problems.append(f"{SETTING}: {problem}")
        else:
            arguments += [name, "libx264" if (name, value) == ("-c:v", "h264") else value]
    if problems:
        raise ConfigError(problems)
    return tuple(arguments)


def build_ffmpeg_av_args(quality: str) -> tuple[list[str], list[str]]:
    """Encoder options for picture and sound in a quality ("480p", "720p", …), with FFMPEG_ARGS from the environment.

    The operator's options override the defaults, but not the forced ones. If FFMPEG_ARGS is wrong, each problem is a WARNING
    and the safe profile is used. Raises ConfigError for an unknown quality.
    """
    try:
        wanted = VideoSize.parse(quality)
    except ValueError:
        raise ConfigError([f"VIDEO_QUALITY: {quality} must be one of {', '.join(PRESETS)}"]) from None
    try:
        arguments = parse_ffmpeg_args(os.environ.get(SETTING, ""))
    except ConfigError as error:
        arguments = ()
        for problem in error.problems:
            log.warning("encoder options ignored, safe profile used", problem=problem)
    house = house_format(wanted, encoder_arguments=arguments)
    return video_arguments(house), audio_arguments(house)


def _words(text: str) -> list[str]:
    parts = text.split('"')
    if len(parts) % 2 == 0:
        raise ConfigError([f"{SETTING}: the double quote before {parts[-1][:40]!r} is never closed"])
    # Parts at odd places were quoted; a word continues across a quote, as in a shell.
    words: list[str] = []
    open_word = False
    for place, part in enumerate(parts):
        quoted = place % 2 == 1
        pieces = [part] if quoted else re.split(r"\s+", part)
        for number, piece in enumerate(pieces):
            if number > 0:
                open_word = False
            if not (piece or quoted):
                continue
            if open_word:
                words[-1] += piece
            else:
                words.append(piece)
            open_word = True
    return words


def _problem(name: str, value: str | None, *, given: list[str]) -> str:
    """What is wrong with one pair; empty if it is valid."""
    check = ALLOWED.get(name)
    if check is None:
        what = "option" if name.startswith("-") else "word"
        return f"the {what} {name[:60]!r} is not allowed; allowed are {', '.join(ALLOWED)}"
    if value is None:
        return f"{name} has no value"
    if name in given:
        return f"{name} is given twice"
    problem = check(value)
    return f"{name} {problem}, not {value[:60]!r}" if problem else ""
