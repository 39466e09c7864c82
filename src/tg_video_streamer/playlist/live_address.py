"""Checks the address of a live feed: each scheme has its own options, and everything else is refused.

The address may hold a stream key, a passphrase or a password: no error repeats it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qsl, urlsplit

from tg_video_streamer.errors import PlaylistError

_Check = Callable[[str], bool]

_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
_TEXT = re.compile(r"[\x21-\x7e]{1,512}")


def _number(low: int, high: int) -> _Check:
    return lambda value: _DIGITS.fullmatch(value) is not None and low <= int(value) <= high


def _one_of(*words: str) -> _Check:
    return lambda value: value in words


def _text(shortest: int, longest: int) -> _Check:
    return lambda value: shortest <= len(value) <= longest and _TEXT.fullmatch(value) is not None


def _address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


_SRT: Mapping[str, _Check] = MappingProxyType(
    {
        "mode": _one_of("caller", "listener", "rendezvous"),
        "latency": _number(0, 60_000_000),
        "rcvlatency": _number(0, 60_000_000),
        "peerlatency": _number(0, 60_000_000),
        "passphrase": _text(10, 79),
        "pbkeylen": _one_of("16", "24", "32"),
        "streamid": _text(1, 512),
        "connect_timeout": _number(1, 60_000),
        "rcvbuf": _number(65_536, 268_435_456),
        "lossmaxttl": _number(0, 1000),
        "tlpktdrop": _one_of("0", "1"),
    }
)
_UDP: Mapping[str, _Check] = MappingProxyType(
    {
        "localaddr": _address,
        "fifo_size": _number(1, 1_000_000),
        "buffer_size": _number(65_536, 268_435_456),
        "pkt_size": _number(188, 65_507),
        "reuse": _one_of("0", "1"),
        "overrun_nonfatal": _one_of("0", "1"),
        "sources": _address,
    }
)
_OPTIONS: Mapping[str, Mapping[str, _Check] | None] = MappingProxyType(
    {"rtmp": None, "rtmps": None, "rtsp": None, "srt": _SRT, "udp": _UDP}
)
"""None: the query is part of the stream's name and goes to the server unchanged."""
LIVE_SCHEMES = frozenset(_OPTIONS)

_TRANSPORTS = frozenset({"udp", "multicast", "http", "https", "tcp", "listen"})
"""Words in an RTSP query that ffmpeg takes for a transport; it is TCP here."""


def check_live_address(url: str) -> None:
    """Raise PlaylistError where `url` is no address of a live feed, or has an option that its scheme does not have."""
    try:
        parts = split_live_address(url)
        port = parts.port
    except ValueError:
        raise PlaylistError.of("line.live_url") from None
    if any(character.isspace() or character in "\\<>\"'" for character in url):
        raise PlaylistError.of("line.live_url")
    allowed = _OPTIONS[parts.scheme]
    if allowed is None:
        _check_server(parts)
        return
    options = _options(parts, allowed)
    listens = options.get("mode") == "listener" or parts.scheme == "udp"
    if not port or (not parts.hostname and not listens) or parts.path not in {"", "/"}:
        raise PlaylistError.of("line.live_port", scheme=parts.scheme)


def split_live_address(url: str) -> SplitResult:
    """The parts of the address of a live feed. Raises ValueError. A stream id of SRT begins with a `#`, which ends nothing."""
    return urlsplit(url.replace("#", "%23"))


def _check_server(parts: SplitResult) -> None:
    if not parts.hostname or parts.port == 0 or len(parts.path) < 2:
        raise PlaylistError.of("line.live_url")
    if parts.scheme == "rtsp" and _TRANSPORTS & set(re.split(r"[&=]", parts.query)):
        raise PlaylistError.of("line.live_transport")


def _options(parts: SplitResult, allowed: Mapping[str, _Check]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True, separator="&"):
        check = allowed.get(name)
        if check is None:
            raise PlaylistError.of("line.live_option", scheme=parts.scheme, name=name, known=", ".join(allowed))
        if name in found or not check(value):
            raise PlaylistError.of("line.live_value", scheme=parts.scheme, name=name)
        found[name] = value
    return found
