"""Parses LIVE_INGEST, and warns of a weak key or an open network; pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.ingest.srt_address import SrtAddress, parse_srt
from tg_video_streamer.rtmp.address import parse_rtmp_url

MIN_KEY_CHARACTERS = 8
GOOD_KEY_CHARACTERS = 16
"""A key of this length cannot be guessed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestAddress:
    """Address, application and key to listen for; the key stays out of `repr`."""

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
        """Whether only this host can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_ingest(text: str) -> IngestAddress:
    """The parts of LIVE_INGEST. Raises ConfigError with one problem, which never contains the value."""
    try:
        address = parse_rtmp_url(text.strip())
    except ConfigError as error:
        problem = error.problems[0].partition(": ")[2] or error.problems[0]
        raise ConfigError([f"LIVE_INGEST: {problem}"]) from None
    if address.tls:
        raise ConfigError(["LIVE_INGEST: must begin with rtmp://; a proxy in front of it can add TLS"])
    if "?" in address.key or "#" in address.key:
        raise ConfigError(["LIVE_INGEST: the key must have neither ? nor # in it"])
    if len(address.key) < MIN_KEY_CHARACTERS:
        raise ConfigError(
            [
                f"LIVE_INGEST: the key must have at least {MIN_KEY_CHARACTERS} characters; {GOOD_KEY_CHARACTERS} are better"
            ]
        )
    return IngestAddress(host=address.host, port=address.port, app=address.app, key=address.key)


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveDoors:
    """Where live streams may come in; at least one of the two."""

    rtmp: IngestAddress | None = None
    srt: SrtAddress | None = None


def parse_doors(text: str) -> LiveDoors:
    """LIVE_INGEST: one rtmp:// address, one srt:// address, or both. Raises ConfigError with one problem."""
    doors = LiveDoors()
    for word in text.split():
        if word.lower().startswith("srt://"):
            if doors.srt is not None:
                raise ConfigError(["LIVE_INGEST: there can be one srt:// address"])
            doors = replace(doors, srt=parse_srt(word))
        else:
            if doors.rtmp is not None:
                raise ConfigError(["LIVE_INGEST: there can be one rtmp:// address, and one srt:// address"])
            doors = replace(doors, rtmp=parse_ingest(word))
    return doors


def ingest_warnings(address: IngestAddress) -> list[str]:
    """Warnings for a valid address, one line each."""
    warnings = []
    if len(address.key) < GOOD_KEY_CHARACTERS:
        warnings.append(f"LIVE_INGEST: its key can be guessed in time; use {GOOD_KEY_CHARACTERS} characters or more")
    if not address.on_loopback:
        warnings.append(
            "LIVE_INGEST: RTMP is not encrypted, so anyone on the network path to this host can read the key; "
            "use a VPN or an SSH tunnel to 127.0.0.1 (docs/live.md)"
        )
    return warnings
