"""Reads where NATS is; imports nothing of it, so that settings can be checked without the extra `fleet`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tg_video_streamer.errors import ConfigError

_PORT = 4222
_SCHEMES = frozenset({"nats", "tls"})


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetAddress:
    """The servers of one cluster, and how to sign in."""

    servers: tuple[str, ...]
    tls: bool
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None


def parse_servers(text: str) -> tuple[str, ...]:
    """The servers of FLEET as URLs with a port; empty for none. Raises ConfigError.

    Plain `nats://` is for this host and private networks only: elsewhere anybody could read keys and send commands.
    """
    servers = []
    for word in text.replace(",", " ").split():
        parts = urlsplit(word)
        try:
            host, port = parts.hostname, parts.port or _PORT
        except ValueError as error:
            raise ConfigError(["FLEET: the port of a server cannot be read"]) from error
        if parts.scheme not in _SCHEMES or not host or parts.path.strip("/") or parts.query:
            raise ConfigError(["FLEET: must be servers such as nats://10.0.0.1:4222 or tls://nats.example.org:4222"])
        if parts.username is not None:
            raise ConfigError(["FLEET: user and password belong into FLEET_CREDENTIALS"])
        if parts.scheme != "tls" and not _is_private(host):
            raise ConfigError([f"FLEET: {host} is neither this host nor of a private network: write tls:// before it"])
        servers.append(f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}")
    if len({server.partition(":")[0] for server in servers}) > 1:
        raise ConfigError(["FLEET: nats:// and tls:// cannot be mixed"])
    return tuple(servers)


def fleet_address(servers: str, credentials: str, ca_file: Path | None) -> FleetAddress:
    """The settings FLEET, FLEET_CREDENTIALS (`user:password`) and FLEET_CA. Raises ConfigError."""
    found = parse_servers(servers)
    user, _, password = credentials.partition(":")
    return FleetAddress(servers=found, tls=found[0].startswith("tls:"), user=user, password=password, ca_file=ca_file)


def _is_private(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
