"""Parses `rtmp(s)://host[:port]/app[/more]/key`, so that the key stays hidden; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tg_video_streamer.errors import ConfigError

_PORTS = {"rtmp": 1935, "rtmps": 443}


@dataclass(frozen=True, kw_only=True, slots=True)
class RtmpAddress:
    """A server and what to publish there; `app` and `key` stay out of `repr`, since services put secrets into both."""

    host: str
    port: int
    tls: bool
    app: str = field(repr=False)
    key: str = field(repr=False)
    """The stream's name, with its `?` query where it has one. Secret."""

    @property
    def place(self) -> str:
        """Scheme, host and port, for people."""
        return f"{'rtmps' if self.tls else 'rtmp'}://{_bracketed(self.host)}:{self.port}"

    @property
    def tc_url(self) -> str:
        """The `tcUrl` of `connect`: everything but the key; a usual port is left out, as other publishers do."""
        scheme = "rtmps" if self.tls else "rtmp"
        port = "" if self.port == _PORTS[scheme] else f":{self.port}"
        return f"{scheme}://{_bracketed(self.host)}{port}/{self.app}"


def parse_rtmp_url(text: str) -> RtmpAddress:
    """Take a publishing URL apart; the part after the last `/` of the path is the key.

    Raises ConfigError with one problem, which never repeats the URL.
    """
    place, _, query = text.partition("?")
    try:
        parts = urlsplit(place)
        port = parts.port
    except ValueError as error:
        raise ConfigError(["an RTMP address has a host or port that cannot be read"]) from error
    if parts.scheme not in _PORTS:
        raise ConfigError(["an RTMP address begins with rtmp:// or rtmps://"])
    if not parts.hostname:
        raise ConfigError([f"an {parts.scheme}:// address has no host"])
    if parts.username is not None or parts.password is not None:
        raise ConfigError([f"{parts.scheme}://{parts.hostname}: user and password in the address are not supported"])
    app, _, key = parts.path.strip("/").rpartition("/") if not parts.path.endswith("/") else (parts.path, "", "")
    if parts.fragment:
        key = f"{key}#{parts.fragment}"
    if not app or not key:
        raise ConfigError(
            [f"{parts.scheme}://{parts.hostname}: the address must end in /APP/KEY; paste the stream key after the URL"]
        )
    return RtmpAddress(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=parts.scheme == "rtmps",
        app=app,
        key=f"{key}?{query}" if query else key,
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
