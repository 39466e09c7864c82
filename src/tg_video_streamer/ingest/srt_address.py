"""The SRT address of LIVE_INGEST, and the command line of the child that listens there; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tg_video_streamer.errors import ConfigError
from tg_video_streamer.ffmpeg.inputs import quoted

_PASSPHRASE = re.compile(r"[A-Za-z0-9._~-]{10,79}", re.ASCII)
"""As long as SRT wants it, of characters that stand for themselves in a URL."""
_PROTOCOLS, _FORMATS = "srt", "mpegts"


@dataclass(frozen=True, kw_only=True, slots=True)
class SrtAddress:
    """Where to listen; the passphrase stays out of `repr`."""

    host: str
    port: int
    passphrase: str = field(repr=False)
    """Secret."""

    @property
    def place(self) -> str:
        """Host and port, for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_srt(text: str) -> SrtAddress:
    """The parts of `srt://HOST:PORT?passphrase=…`. Raises ConfigError with one problem, which never contains the value."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ConfigError(["LIVE_INGEST: the srt:// address cannot be read"]) from None
    if not host or not port or parts.path not in {"", "/"} or parts.username is not None or parts.fragment:
        raise ConfigError(["LIVE_INGEST: write srt://HOST:PORT?passphrase=PASSPHRASE"])
    if options.keys() != {"passphrase"}:
        raise ConfigError(["LIVE_INGEST: an srt:// address has the option passphrase, and no other one"])
    if not _PASSPHRASE.fullmatch(options["passphrase"]):
        raise ConfigError(
            ["LIVE_INGEST: the passphrase must have 10 to 79 characters: letters, digits, and any of - . _ ~"]
        )
    return SrtAddress(host=host, port=port, passphrase=options["passphrase"])


def listen_command(ffmpeg: Path) -> list[str]:
    """Listen where `listen_script` says, which goes to stdin, take one caller, and write its stream to stdout as FLV.

    Its sound becomes AAC, whatever it is.
    """
    return [
        *(str(ffmpeg), "-nostdin", "-hide_banner", "-nostats", "-loglevel", "warning"),
        *("-protocol_whitelist", f"pipe,{_PROTOCOLS}", "-format_whitelist", f"concat,{_FORMATS}"),
        *("-f", "concat", "-safe", "0", "-auto_convert", "0", "-i", "pipe:0"),
        *("-map", "0:v:0", "-map", "0:a:0?", "-c:v", "copy", "-c:a", "aac", "-b:a", "192k", "-ac", "2"),
        *("-f", "flv", "-flvflags", "no_duration_filesize", "-flush_packets", "1", "pipe:1"),
    ]


def listen_script(address: SrtAddress, *, silent_seconds: float) -> bytes:
    """The ffconcat script: the passphrase must not stand on a command line, which every user of the host can read."""
    url = f"srt://{address.place}?mode=listener&passphrase={address.passphrase}"
    options = {
        "protocol_whitelist": _PROTOCOLS,
        "format_whitelist": _FORMATS,
        "analyzeduration": "1000000",
        "rw_timeout": str(round(silent_seconds * 1_000_000)),
    }
    lines = ["ffconcat version 1.0", f"file {quoted(url)}"]
    lines += [f"option {name} {quoted(value)}" for name, value in options.items()]
    return ("\n".join(lines) + "\n").encode()
