"""The setting OUTPUTS as values: which outputs there are, with names that may be shown; pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.rtmp.address import RtmpAddress, parse_rtmp_url

DEFAULT_QUOTA_GIGABYTES = 20.0
"""What the files of one `file:` output may take together where `?max_gb=` says nothing else."""
FILE_FORMATS = {".mkv": "matroska", ".mp4": "mp4", ".flv": "flv", ".ts": "mpegts"}
"""File extensions of recordings, and the muxer for each."""
_WORDS = re.compile(r'(?:[^\s"]|"[^"]*")+|"')
"""Words between spaces; double quotes keep spaces together."""


class OutputKind(StrEnum):
    """Which adapter serves a target."""

    RTMP = "rtmp"
    SRT = "srt"
    HLS = "hls"
    FILE = "file"
    TELEGRAM = "telegram"


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputTarget:
    """One output; exactly one of `rtmp`, `srt_url` and `path` is set, by its kind; none for `telegram`."""

    name: str
    """Kind and number, such as `rtmp-1`: for people, metrics and logs; never secret."""
    kind: OutputKind
    rtmp: RtmpAddress | None = None
    srt_url: str = field(default="", repr=False)
    """Secret: it may hold a passphrase."""
    path: Path | None = None
    """Of an HLS folder, or the pattern of a recording's file names."""
    quota_bytes: int = 0
    """Of a recording."""


def parse_outputs(text: str) -> tuple[OutputTarget, ...]:
    """The targets that `text` lists, in its order; none for an empty one. Raises ConfigError naming every bad one.

    Targets: `telegram`, `rtmp(s)://HOST[:PORT]/APP/KEY`, `srt://HOST:PORT[?options]`, `hls:DIR`, `file:PATH[?max_gb=N]`; a word
    with spaces in it stands in double quotes.
    """
    targets: list[OutputTarget] = []
    problems: list[str] = []
    count: Counter[OutputKind] = Counter()
    for number, word in enumerate(_WORDS.findall(text), start=1):
        try:
            target = _parse_one(word.replace('"', "") if word != '"' else word, count)
            _refuse_twin(target, targets)
            targets.append(target)
        except ConfigError as error:
            problems += [f"OUTPUTS: output {number}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return tuple(targets)


def _parse_one(word: str, count: Counter[OutputKind]) -> OutputTarget:
    scheme, _, rest = word.partition(":")
    scheme = scheme.lower()
    if word == "telegram":
        return OutputTarget(name=_name(OutputKind.TELEGRAM, count), kind=OutputKind.TELEGRAM)
    if scheme in {"rtmp", "rtmps"}:
        address = parse_rtmp_url(word)
        return OutputTarget(name=_name(OutputKind.RTMP, count), kind=OutputKind.RTMP, rtmp=address)
    if scheme == "srt":
        _check_srt(word)
        return OutputTarget(name=_name(OutputKind.SRT, count), kind=OutputKind.SRT, srt_url=word)
    if scheme == "hls":
        if not rest:
            raise ConfigError(["hls: needs a folder, such as hls:/var/www/live"])
        return OutputTarget(name=_name(OutputKind.HLS, count), kind=OutputKind.HLS, path=Path(rest))
    if scheme == "file":
        path, quota = _recording(rest)
        return OutputTarget(name=_name(OutputKind.FILE, count), kind=OutputKind.FILE, path=path, quota_bytes=quota)
    # The word itself may be a key that was pasted without its URL, so it is not repeated.
    raise ConfigError(
        [
            "it is not telegram and begins with none of rtmp://, rtmps://, srt://, hls:, file: (a quote that is not closed?)"
        ]
    )


def _name(kind: OutputKind, count: Counter[OutputKind]) -> str:
    count[kind] += 1
    return f"{kind}-{count[kind]}"


def _check_srt(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(["an srt:// address has a host or port that cannot be read"]) from error
    if not port or (not parts.hostname and "mode=listener" not in parts.query):
        raise ConfigError(["an srt:// address needs a host and a port: srt://HOST:PORT"])


def _recording(rest: str) -> tuple[Path, int]:
    name, _, query = rest.partition("?")
    gigabytes = DEFAULT_QUOTA_GIGABYTES
    if query:
        found = re.fullmatch(r"max_gb=(\d{1,9}(?:\.\d{1,9})?)", query)
        if found is None or float(found[1]) <= 0:
            raise ConfigError([f"file: after `?` only max_gb=NUMBER is understood, not {query!r}"])
        gigabytes = float(found[1])
    path = Path(name)
    if path.suffix not in FILE_FORMATS:
        raise ConfigError([f"file: the name must end in one of {' '.join(FILE_FORMATS)}"])
    return path, round(gigabytes * 1e9)


def _refuse_twin(target: OutputTarget, others: list[OutputTarget]) -> None:
    place = (target.rtmp, target.srt_url, target.path)
    if any((other.rtmp, other.srt_url, other.path) == place for other in others):
        raise ConfigError([f"the same {target.kind} output stands there twice"])
