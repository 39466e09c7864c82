"""Where a live stream may come in: LIVE_INGEST, taken apart, and what an operator should know of it; pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.rtmp.address import parse_rtmp_url

SHORTEST_KEY = 8
GOOD_KEY = 16
"""From here on a key cannot be guessed, however long somebody tries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestAddress:
    """Where to listen, and for what; the key stays out of `repr`."""

    host: str
    port: int
    app: str = field(repr=False)
    key: str = field(repr=False)
    """Secret."""

    @property
    def place(self) -> str:
        """Host and port, for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        """Whether only this host can come in."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_ingest(text: str) -> IngestAddress:
    """LIVE_INGEST taken apart. Raises ConfigError with one problem, which never repeats the value."""
    try:
        address = parse_rtmp_url(text.strip())
    except ConfigError as error:
        problem = error.problems[0].partition(": ")[2] or error.problems[0]
        raise ConfigError([f"LIVE_INGEST: {problem}"]) from None
    if address.tls:
        raise ConfigError(["LIVE_INGEST: must begin with rtmp://; a proxy in front of it can add TLS"])
    if "?" in address.key or "#" in address.key:
        raise ConfigError(["LIVE_INGEST: the key must have neither ? nor # in it"])
    if len(address.key) < SHORTEST_KEY:
        raise ConfigError([f"LIVE_INGEST: the key must have at least {SHORTEST_KEY} characters; {GOOD_KEY} are better"])
    return IngestAddress(host=address.host, port=address.port, app=address.app, key=address.key)


def ingest_warnings(address: IngestAddress) -> list[str]:
    """What the operator should know although it works, one line each."""
    warnings = []
    if len(address.key) < GOOD_KEY:
        warnings.append(f"LIVE_INGEST: its key can be guessed in time; use {GOOD_KEY} characters or more")
    if not address.on_loopback:
        warnings.append(
            "LIVE_INGEST: RTMP is not encrypted, so whoever can listen on the way to this host learns the key; "
            "come in through a VPN or an SSH tunnel to 127.0.0.1 (docs/live.md)"
        )
    return warnings
